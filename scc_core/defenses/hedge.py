"""Hedge defense (HD): Wu et al., "Attacking adversarial attacks as a defense", arXiv 2106.04938."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from scc_core.attacks.base import input_gradient, project, random_start
from scc_core.components.parameters import PIXEL, parameter
from scc_core.cost import Cost
from scc_core.defenses.base import Defense, DefenseCost, Gradients
from scc_core.defenses.registry import defenses
from scc_core.models.base import ZeroShotModel
from scc_core.noise import Noise


@defenses.register("hedge")
@dataclass(frozen=True)
class Hedge(Defense):
    """Attack all classes at once: sign ascent on ``sum_k CE(x + d, k)`` in a ball, from a random start.

    The sum over all classes is, up to a factor and a constant, the divergence of the prediction from the uniform one,
    which the implementation in circulation ascends. That one has steps of 0.007 instead of the paper's 4/255, and
    predicts from the sum of the logits of all its steps; here, as in the paper, the last image is classified.
    """

    gradients: ClassVar[tuple[Gradients, ...]] = ("bpda",)
    randomised: ClassVar[bool] = True

    epsilon: float = parameter(8 / 255, minimum=0.0, maximum=1.0, unit=PIXEL, help="L-inf radius of the correction")
    step_size: float = parameter(4 / 255, minimum=1e-6, maximum=1.0, unit=PIXEL, help="length of a step")
    num_steps: int = parameter(20, minimum=1, maximum=10_000, help="number of steps")

    def correct(self, model: ZeroShotModel, pixels: Tensor, noise: Noise) -> Tensor:
        """Return the hedged images."""

        def all_classes(leaf: Tensor) -> Tensor:
            return -model(leaf).log_softmax(dim=-1).sum(dim=-1)

        images = random_start(pixels, self.epsilon, noise)
        for _ in range(self.num_steps):
            images = project(images + self.step_size * input_gradient(all_classes, images).sign(), pixels, self.epsilon)
        return images

    def nominal_cost(self, num_classes: int) -> DefenseCost:  # noqa: ARG002 - the classes play no part
        """Return the steps' and the prediction's passes."""
        return DefenseCost(correct=Cost(forwards=self.num_steps, backwards=self.num_steps))
