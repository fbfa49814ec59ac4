"""The fast gradient sign method (Goodfellow et al., ICLR 2015, arXiv 1412.6572)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from torch import Tensor

from scc_core.attacks.base import Attack, project
from scc_core.attacks.optimisation.losses import cross_entropy
from scc_core.attacks.problem import Problem
from scc_core.attacks.registry import attacks
from scc_core.cost import Cost
from scc_core.models.base import Classifier
from scc_core.noise import Noise


@attacks.register("fgsm")
@dataclass(frozen=True)
class FGSM(Attack):
    """One sign step of length epsilon on the cross-entropy, from the image: ``x + epsilon * sign(grad CE(x, y))``."""

    name: ClassVar[str] = "fgsm"

    def perturb(self, model: Classifier, pixels: Tensor, labels: Tensor, epsilon: float, noise: Noise) -> Tensor:
        """Return the image after the step; see :meth:`Attack.perturb`."""
        problem = Problem(self.name, model, pixels, labels, epsilon, noise)
        gradient = problem.ascend(partial(cross_entropy, labels=labels), pixels, "step 1").gradient
        return project(pixels + epsilon * gradient.sign(), pixels, epsilon)

    def nominal_cost(self, num_classes: int) -> Cost:  # noqa: ARG002 - one step, whatever the classes
        """Return one forward and one backward."""
        return Cost(forwards=1, backwards=1)
