"""Self-Calibrated Consistency (SCC): arXiv 2510.22785, ICML 2026."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from scc_core.attacks.base import input_gradient, project
from scc_core.components.parameters import DEVIATION, PIXEL, parameter
from scc_core.cost import Cost
from scc_core.defenses.base import Defense, DefenseCost, Gradients
from scc_core.defenses.gate import check_gate_model, gate_parameter
from scc_core.defenses.registry import defenses
from scc_core.defenses.ttc import counterattack, counterattack_cost
from scc_core.defenses.views import Views
from scc_core.models.base import ZeroShotModel
from scc_core.noise import Noise


@defenses.register("scc")
@dataclass(frozen=True)
class SCC(Defense):
    """Counterattack guided by a soft pseudo-label (semantic), shared by and averaged over views (spatial).

    The paper publishes neither the number of views and steps nor sigma, T, alpha and the radius; the defaults are this
    project's, and every one is a parameter. With both modules off this is ``ttc`` to the last bit.

    Summaries leave open whose prediction the hard label of Eq. 7 is. ``views`` takes the class that leads the soft
    pseudo-label, ``warm-up`` that of the warmed-up image alone; where the two differ, the latter pushes images away
    from the very class that the prototype pulls them to.
    """

    gradients: ClassVar[tuple[Gradients, ...]] = ("bpda",)
    randomised: ClassVar[bool] = True

    semantic: bool = parameter(True, help="semantic consistency: ascend L_cm (Eq. 7) after the warm-up")
    spatial: bool = parameter(True, help="spatial consistency: average the logits of the views (Eq. 9)")
    epsilon: float = parameter(4 / 255, minimum=0.0, maximum=1.0, unit=PIXEL, help="L-inf radius of the correction")
    step_size: float = parameter(1 / 255, minimum=1e-6, maximum=1.0, unit=PIXEL, help="length of a step")
    num_steps: int = parameter(3, minimum=1, maximum=10_000, help="steps of ascent on L_cm")
    num_views: int = parameter(4, minimum=1, maximum=256, help="identity, flip, then noisy ones, flipped in turn")
    sigma: float = parameter(
        0.02, minimum=0.0, maximum=1.0, unit=DEVIATION, help="deviation of the views' Gaussian noise, in pixels"
    )
    temperature: float = parameter(
        0.5, minimum=0.01, maximum=1.0, help="T of the sharpening q^(1/T) of the soft pseudo-label"
    )
    pseudo_label: str = parameter(
        "views", choices=("views", "warm-up"), help="whose class is the hard label: the views' mean or the lone image's"
    )
    average_loss: bool = parameter(True, help="average L_cm over the views, not only take the unchanged image")
    warmup_steps: int = parameter(2, minimum=1, maximum=10_000, help="steps of the warm-up counterattack (TTC)")
    tau: float = parameter(0.2, minimum=0.0, maximum=math.inf, help="threshold of the warm-up's gate (TTC)")
    beta: float = parameter(2.0, minimum=-100.0, maximum=100.0, help="weight of later warm-up steps (TTC)")
    gate_model: str | None = gate_parameter()

    def __post_init__(self) -> None:
        super().__post_init__()
        check_gate_model(self.gate_model)

    def correct(self, model: ZeroShotModel, pixels: Tensor, noise: Noise) -> Tensor:
        """Return the images after the warm-up and, if ``semantic``, the ascent."""
        images = self.warm_up(model, pixels, noise)
        return self.ascend(model, pixels, images, self._views(pixels, noise)) if self.semantic else images

    def classify(self, model: ZeroShotModel, images: Tensor, noise: Noise) -> Tensor:
        """Return the logits of the corrected images, averaged over their views if ``spatial``."""
        if not self.spatial:
            return model(images)
        views = self._views(images, noise)
        return views.split(model(views(images))).mean(dim=0)

    @property
    def _averages_loss(self) -> bool:
        return self.spatial and self.average_loss

    def _views(self, images: Tensor, noise: Noise) -> Views:
        return Views.draw(images, self.num_views, self.sigma, noise)

    def warm_up(self, model: ZeroShotModel, pixels: Tensor, noise: Noise) -> Tensor:
        """Return the images after TTC's counterattack."""
        return counterattack(
            model,
            pixels,
            noise,
            epsilon=self.epsilon,
            step_size=self.step_size,
            num_steps=self.warmup_steps,
            tau=self.tau,
            beta=self.beta,
            gate_model=self.gate_model,
        )

    def ascend(self, model: ZeroShotModel, pixels: Tensor, images: Tensor, views: Views) -> Tensor:
        """Ascend the mean over views of ``L_cm`` from ``images``, within the ball around ``pixels``."""
        loss_views = views if self._averages_loss else Views(views.offsets[:1])
        # The first step's own views are those of the pseudo-label, which need not be embedded twice.
        target = None if self._averages_loss else self.soft_label(model, views.split(model(views(images))))

        def consistency(leaf: Tensor) -> Tensor:
            nonlocal target
            features = loss_views.split(model.features(loss_views(leaf)))
            if target is None:
                target = self.soft_label(model, model.logits(features.detach()))
            return target.consistency(model, features).mean(dim=0)

        for _ in range(self.num_steps):
            step = self.step_size * input_gradient(consistency, images).sign()
            images = project(images + step, pixels, self.epsilon)
        return images

    def soft_label(self, model: ZeroShotModel, logits: Tensor) -> PseudoLabel:
        """Return the soft prototype (Eq. 7) and the hard label of logits ``(V, B, K)``, the image's own first."""
        mean = torch.softmax(logits, dim=-1).mean(dim=0)
        leading = mean if self.pseudo_label == "views" else logits[0]
        # q^(1/T) in logarithms: a direct power underflows for small T.
        weights = torch.softmax(mean.log() / self.temperature, dim=-1)
        return PseudoLabel(functional.normalize(weights @ model.text_features, dim=-1), leading.argmax(dim=-1))

    def nominal_cost(self, num_classes: int) -> DefenseCost:  # noqa: ARG002 - the classes play no part
        """Return the passes of the warm-up, of the ascent and of the prediction."""
        correct = counterattack_cost(self.warmup_steps, self.gate_model)
        if self.semantic:
            steps = self.num_steps * (self.num_views if self._averages_loss else 1)
            label = 0 if self._averages_loss else self.num_views
            correct += Cost(forwards=label + steps, backwards=steps)
        return DefenseCost(correct, Cost(forwards=self.num_views if self.spatial else 1))


@dataclass(frozen=True)
class PseudoLabel:
    """What the semantic module pulls an image towards.

    Attributes:
        prototype: ``(B, D)`` unit vectors, the sharpened mixture of class embeddings.
        label: ``(B,)`` int64, the class whose own embedding is not pushed away from.
    """

    prototype: Tensor
    label: Tensor

    def consistency(self, model: ZeroShotModel, features: Tensor) -> Tensor:
        """Return ``L_cm`` ``(V, B)`` of ``(V, B, D)`` raw features: cosine to the prototype minus the largest other.

        With a single class there is no other and only the first term remains.
        """
        own = (functional.normalize(features, dim=-1) * self.prototype).sum(dim=-1)
        if model.num_classes == 1:
            return own
        others = model.similarities(features)
        mask = functional.one_hot(self.label, model.num_classes).bool()
        return own - others.masked_fill(mask, -math.inf).amax(dim=-1)
