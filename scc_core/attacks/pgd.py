"""Projected gradient descent under L-inf (Madry et al., ICLR 2018, arXiv 1706.06083)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from scc_core.attacks.base import Attack, input_gradient, project, random_start
from scc_core.attacks.registry import attacks
from scc_core.models.base import Classifier
from scc_core.noise import Noise
from scc_core.outcomes import Cost
from scc_core.parameters import PIXEL, parameter


@attacks.register("pgd")
@dataclass(frozen=True)
class PGD(Attack):
    """Sign-gradient ascent on the cross-entropy of the zero-shot logits from a random start; the last iterate counts.

    The defaults are the setting of the published tables: 10 steps of 1/255.
    """

    num_steps: int = parameter(10, minimum=1, maximum=100_000, help="number of gradient steps")
    step_size: float = parameter(
        1 / 255, minimum=1e-6, maximum=1.0, unit=PIXEL, help="length of a step in [0, 1] pixel units"
    )
    random_start: bool = parameter(True, help="start from a uniform draw in the ball instead of the image")

    def perturb(self, model: Classifier, pixels: Tensor, labels: Tensor, epsilon: float, noise: Noise) -> Tensor:
        """Return the last iterate; see :meth:`Attack.perturb`."""

        def loss(images: Tensor) -> Tensor:
            return functional.cross_entropy(model(images), labels, reduction="none")

        images = random_start(pixels, epsilon, noise) if self.random_start else pixels
        for _ in range(self.num_steps):
            step = self.step_size * input_gradient(loss, images).sign()
            images = project(images + step, pixels, epsilon)
        return images

    def nominal_cost(self, num_classes: int) -> Cost:  # noqa: ARG002 - the cost of PGD does not depend on it
        """Return one forward and one backward per step."""
        return Cost(forwards=self.num_steps, backwards=self.num_steps)
