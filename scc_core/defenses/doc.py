"""Directional orthogonal counterattack (DOC): Jiang et al., AAAI 2026, arXiv 2511.09064."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from scc_core.attacks.base import project, random_start
from scc_core.components.parameters import PIXEL, parameter
from scc_core.cost import Cost
from scc_core.defenses.base import Defense, DefenseCost, Gradients
from scc_core.defenses.registry import defenses
from scc_core.defenses.ttc import embedding_gradient
from scc_core.models.base import ZeroShotModel
from scc_core.noise import Noise


@defenses.register("doc")
@dataclass(frozen=True)
class DOC(Defense):
    """TTC's ascent with an orthogonal random direction and momentum, weighted by a soft gate.

    With ``g`` the gradient of ``||f(x + d) - f(x)||^2`` divided by its length and ``r`` a random unit vector orthogonal
    to it: ``m_t = mu m_{t-1} + (1 - mu)(g + lambda r)``, ``d_{t+1} = project(d_t + alpha sign(m_t))``, ``m_0 = 0``.
    The gate is ``w = sigmoid(gamma (tau - s))`` with the shift ``s = 1 - mean_m cos(f(x_m), f(x))`` over ``M`` noisy
    copies, and the correction ``w d_n + (1 - w) d_0``.

    Summaries say that a small shift marks a clean image, whose correction should vanish; the formula gives a small
    shift a weight near 1, as TTC's gate does for falsely stable images. The formula is followed. No source that was
    found gives the distribution of the copies' noise: it is uniform in the ball, as TTC's draw. An independent
    implementation starts the momentum at the first direction and ignores the gate. Directions are normalised per image.
    """

    gradients: ClassVar[tuple[Gradients, ...]] = ("bpda",)
    randomised: ClassVar[bool] = True

    epsilon: float = parameter(4 / 255, minimum=0.0, maximum=1.0, unit=PIXEL, help="L-inf radius of the counterattack")
    step_size: float = parameter(3 / 255, minimum=1e-6, maximum=1.0, unit=PIXEL, help="length alpha of a step")
    num_steps: int = parameter(4, minimum=1, maximum=10_000, help="number of counterattack steps")
    orthogonal: float = parameter(0.05, minimum=0.0, maximum=1e6, help="lambda, length of the orthogonal direction")
    momentum: float = parameter(0.75, minimum=0.0, maximum=0.9999, help="mu, share of the former direction")
    num_copies: int = parameter(5, minimum=1, maximum=256, help="M, noisy copies that the gate compares")
    tau: float = parameter(0.155, minimum=0.0, maximum=2.0, help="shift at which the gate is half open")
    gamma: float = parameter(75.0, minimum=0.0, maximum=1e6, help="steepness of the gate")

    def correct(self, model: ZeroShotModel, pixels: Tensor, noise: Noise) -> Tensor:
        """Return the counterattacked images."""
        start = random_start(pixels, self.epsilon, noise)
        anchor = model.features(pixels)
        weight = torch.sigmoid(self.gamma * (self.tau - self.shift(model, pixels, anchor, noise))).reshape(-1, 1, 1, 1)
        moved = self.counterattack(model, pixels, start, anchor, noise)
        return (pixels + weight * (moved - pixels) + (1 - weight) * (start - pixels)).clamp(0.0, 1.0)

    def shift(self, model: ZeroShotModel, pixels: Tensor, anchor: Tensor, noise: Noise) -> Tensor:
        """Return the mean cosine shift ``s`` ``(B,)`` of the noisy copies."""
        copies = [random_start(pixels, self.epsilon, noise.fold(f"copy-{copy}")) for copy in range(self.num_copies)]
        cosines = [functional.cosine_similarity(model.features(copy), anchor, dim=-1) for copy in copies]
        return 1 - torch.stack(cosines).mean(dim=0)

    def counterattack(
        self, model: ZeroShotModel, pixels: Tensor, start: Tensor, anchor: Tensor, noise: Noise
    ) -> Tensor:
        """Return ``x + d_n`` from ``start = x + d_0``."""
        images, momentum = start, torch.zeros_like(start)
        for step in range(self.num_steps):
            gradient = unit(embedding_gradient(model, images, anchor)[0])
            random = noise.fold(f"orthogonal-{step}").normal(tuple(pixels.shape[1:]))
            random = unit(random - (random * gradient).sum(dim=(1, 2, 3), keepdim=True) * gradient)
            momentum = self.momentum * momentum + (1 - self.momentum) * (gradient + self.orthogonal * random)
            images = project(images + self.step_size * momentum.sign(), pixels, self.epsilon)
        return images

    def nominal_cost(self, num_classes: int) -> DefenseCost:  # noqa: ARG002 - the classes play no part
        """Return the anchor's, the copies', the steps' and the prediction's passes."""
        return DefenseCost(correct=Cost(forwards=1 + self.num_copies + self.num_steps, backwards=self.num_steps))


def unit(directions: Tensor) -> Tensor:
    """Divide every image's direction ``(B, 3, H, W)`` by its Euclidean length."""
    return functional.normalize(directions.flatten(1), dim=1).reshape(directions.shape)
