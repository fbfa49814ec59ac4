"""Anti-adversaries: Alfarra et al., AAAI 2022, arXiv 2103.14347."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from scc_core.attacks.base import input_gradient, project
from scc_core.components.parameters import PIXEL, parameter
from scc_core.cost import Cost
from scc_core.defenses.base import Defense, DefenseCost, Gradients
from scc_core.defenses.registry import defenses
from scc_core.models.base import ZeroShotModel
from scc_core.noise import Noise


@defenses.register("anti-adversary")
@dataclass(frozen=True)
class AntiAdversary(Defense):
    """Make the model surer of what it predicts: sign descent on the cross-entropy to its own prediction.

    From ``d_0 = 0``, ``d_{t+1} = d_t - alpha sign(grad CE(x + d_t, argmax z(x)))`` for ``k`` steps.

    The paper has k = 2 and, for CIFAR classifiers, alpha = 0.15, bounds ``d`` by nothing, and its code steps in the
    classifier's normalised space and leaves [0, 1]. No constants for CLIP were published with it. Here the correction
    stays in [0, 1] and in a ball as large as that of ``ttc``, which its steps just reach; ``epsilon: 1`` and
    ``step_size: 0.15`` are the published values in pixel space.
    """

    gradients: ClassVar[tuple[Gradients, ...]] = ("bpda",)

    epsilon: float = parameter(4 / 255, minimum=0.0, maximum=1.0, unit=PIXEL, help="L-inf radius of the correction")
    step_size: float = parameter(2 / 255, minimum=1e-6, maximum=1.0, unit=PIXEL, help="length alpha of a step")
    num_steps: int = parameter(2, minimum=1, maximum=10_000, help="number of steps k")

    def correct(self, model: ZeroShotModel, pixels: Tensor, noise: Noise) -> Tensor:  # noqa: ARG002
        """Return the images of which the model is surer."""
        prediction = torch.empty(0)

        def own_loss(leaf: Tensor) -> Tensor:
            nonlocal prediction
            logits = model(leaf)
            # The first step starts at the image itself, so that its forward also gives the prediction.
            prediction = prediction if len(prediction) else logits.detach().argmax(dim=-1)
            return functional.cross_entropy(logits, prediction, reduction="none")

        images = pixels
        for _ in range(self.num_steps):
            images = project(images - self.step_size * input_gradient(own_loss, images).sign(), pixels, self.epsilon)
        return images

    def nominal_cost(self, num_classes: int) -> DefenseCost:  # noqa: ARG002 - the classes play no part
        """Return the steps' and the prediction's passes."""
        return DefenseCost(correct=Cost(forwards=self.num_steps, backwards=self.num_steps))
