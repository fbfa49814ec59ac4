"""Projected gradient descent (Madry et al., ICLR 2018, arXiv 1706.06083), and the papers' "CW"."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from scc_core.attacks.base import Attack, require_classes
from scc_core.attacks.optimisation import losses
from scc_core.attacks.optimisation.norms import BALLS
from scc_core.attacks.optimisation.survivors import in_turn
from scc_core.attacks.problem import Problem
from scc_core.attacks.registry import attacks
from scc_core.components.parameters import LARGEST_EPSILON, PIXEL, RADII, canonical_pixel, parameter
from scc_core.cost import Cost
from scc_core.errors import UserError
from scc_core.models.base import Classifier
from scc_core.noise import Noise

LABEL_LOSSES = ("ce", "margin", "dlr")
"""The losses that are functions of logits and a class."""

DEFAULT_STEP_SIZE = 1 / 255

_MINIMUM_CLASSES = {"ce": 1, "margin": 2, "dlr": 3, "embedding": 1}
_MINIMUM_CLASSES_TARGETED = {"ce": 3, "margin": 3, "dlr": 4}


class Objective(NamedTuple):
    """The function that an attack ascends: ``loss(through(images))``."""

    loss: Callable[[Tensor], Tensor]
    through: Callable[[Tensor], Tensor]


@attacks.register("pgd")
@dataclass(frozen=True)
class PGD(Attack):
    """Steepest ascent of a loss from a random start, projected on the ball after every step; the last iterate counts.

    The defaults are the setting of the published tables: 10 sign steps of 1/255 on the cross-entropy of the zero-shot
    logits. Under L-inf a step is ``step_size * sign(gradient)``, under L2 ``step_size * gradient / ||gradient||_2``.

    Losses (:mod:`scc_core.attacks.optimisation.losses`): ``ce``; ``margin``, the papers' "CW"; ``dlr``; and
    ``embedding``, which needs no label: ``||f(x + d) - f(x)||^2`` with ``f`` the unnormalised image embedding.

    With ``targeted`` the loss pulls towards the most likely wrong class of the clean image. Success is
    misclassification all the same, because that is what robust accuracy counts. Against two classes this is the
    untargeted attack, so three are required.

    With restarts an image keeps the first restart that breaks it and takes no part in the later ones; an image that
    none breaks keeps the one of the smallest margin. The first restart is the attack without restarts.

    Raises:
        UserError: both step sizes are given, or parameters that exclude each other.
    """

    name: ClassVar[str] = "pgd"

    num_steps: int = parameter(10, minimum=1, maximum=100_000, help="number of gradient steps")
    step_size: float | None = parameter(
        None,
        minimum=1e-6,
        maximum=LARGEST_EPSILON,
        unit=PIXEL,
        help="length of a step in [0, 1] pixel units; 1/255 unless relative_step_size is given; under linf at most 1",
    )
    relative_step_size: float | None = parameter(
        None,
        minimum=1e-6,
        maximum=100.0,
        unit=RADII,
        help="length of a step as a multiple of epsilon, instead of step_size",
    )
    random_start: bool = parameter(True, help="start from a uniform draw in the ball instead of the image")
    num_restarts: int = parameter(1, minimum=1, maximum=10_000, help="number of independent random starts")
    loss: str = parameter("ce", choices=(*LABEL_LOSSES, "embedding"), help="what the steps ascend")
    kappa: float = parameter(losses.KAPPA, minimum=0.0, maximum=1e6, help="confidence of the margin loss, in logits")
    targeted: bool = parameter(False, help="pull towards the most likely wrong class")
    norm: str = parameter("linf", choices=tuple(BALLS), help="norm of the ball and of the steps")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.step_size is not None and self.relative_step_size is not None:
            raise UserError("step_size and relative_step_size exclude each other; give one of them")
        if self.step_size is None and self.relative_step_size is None:
            object.__setattr__(self, "step_size", canonical_pixel(DEFAULT_STEP_SIZE))
        if self.norm == "linf" and self.step_size is not None and self.step_size > 1:
            given = f"{self.step_size:g}"
            raise UserError(f"step_size: {given} is out of range; allowed: [1e-06, 1]; did you mean {given}/255?")
        if self.loss == "embedding" and self.targeted:
            raise UserError(
                "loss: 'embedding' knows no class and cannot be targeted; allowed with targeted: ce | margin | dlr"
            )
        if not self.random_start and self.loss == "embedding":
            raise UserError("loss: 'embedding' has no slope at the image itself; it needs random_start: true")
        if not self.random_start and self.num_restarts > 1:
            raise UserError("num_restarts: without random_start every restart is the same; allowed: [1, 1]")

    def perturb(self, model: Classifier, pixels: Tensor, labels: Tensor, epsilon: float, noise: Noise) -> Tensor:
        """Return the last iterate; see :meth:`Attack.perturb`."""
        problem = Problem(self.name, model, pixels, labels, epsilon, noise)
        if self.num_restarts == 1:
            return self._run(problem)
        runs = (partial(self._run, restart=restart) for restart in range(self.num_restarts))
        return in_turn(problem, runs, skip_misclassified=False)

    def _run(self, problem: Problem, restart: int = 0) -> Tensor:
        if restart > 0:
            problem = problem.fold(f"restart-{restart}")
        ball, epsilon, centre = BALLS[self.norm], problem.epsilon, problem.pixels
        length = self.step_size or DEFAULT_STEP_SIZE
        if self.relative_step_size is not None:
            length = self.relative_step_size * epsilon
        objective = self._objective(problem)
        images = ball.random_start(centre, epsilon, problem.noise) if self.random_start else centre
        for step in range(1, self.num_steps + 1):
            point = problem.ascend(objective.loss, images, f"step {step}", through=objective.through)
            images = ball.project(images + length * ball.direction(point.gradient), centre, epsilon)
        return images

    def _objective(self, problem: Problem) -> Objective:
        if self.loss == "embedding":
            return _embedding_shift(problem)
        labels = problem.labels
        known: dict[str, Callable[[Tensor], Tensor]] = {
            "ce": partial(losses.cross_entropy, labels=labels),
            "margin": partial(losses.negative_margin, labels=labels, kappa=self.kappa),
            "dlr": partial(losses.dlr, labels=labels),
        }
        if self.targeted:
            targets = problem.wrong_classes(rank=1)
            known = {
                "ce": partial(losses.targeted_cross_entropy, targets=targets),
                "margin": partial(losses.targeted_negative_margin, targets=targets, kappa=self.kappa),
                "dlr": partial(losses.targeted_dlr, labels=labels, targets=targets),
            }
        return Objective(known[self.loss], problem.model)

    def check(self, num_classes: int) -> None:
        """Check the classes that the loss needs; see :meth:`Attack.check`."""
        minimum = _MINIMUM_CLASSES_TARGETED if self.targeted else _MINIMUM_CLASSES
        described = f"{self.name} (loss={self.loss}{', targeted' if self.targeted else ''})"
        require_classes(described, num_classes, minimum[self.loss])

    def nominal_cost(self, num_classes: int) -> Cost:  # noqa: ARG002 - the cost of PGD does not depend on it
        """Return one forward and one backward per step, and the forwards for target, anchor and restarts.

        It assumes that every image survives every restart.
        """
        extra = (self.targeted or self.loss == "embedding") + (self.num_restarts > 1)
        return Cost(forwards=self.num_restarts * (self.num_steps + extra), backwards=self.num_restarts * self.num_steps)

    def embedding_forwards(self) -> int:
        """Return the anchors and the steps of the embedding loss; see :meth:`Attack.embedding_forwards`."""
        return self.num_restarts * (self.num_steps + 1) if self.loss == "embedding" else 0


@attacks.register("cw-linf")
@dataclass(frozen=True)
class CWLinf(PGD):
    """What the tables of TTC and its successors call "CW": PGD on the margin loss with confidence 50, under L-inf.

    It is not the L2 attack of Carlini and Wagner (S&P 2017), from which it takes only the loss:
    ``-relu(z_y - max_{k != y} z_k + 50)``.
    """

    name: ClassVar[str] = "cw-linf"

    loss: str = parameter("margin", choices=("margin",), help="what the steps ascend")
    norm: str = parameter("linf", choices=("linf",), help="norm of the ball and of the steps")


def _embedding_shift(problem: Problem) -> Objective:
    features = getattr(problem.model, "features", None)
    if features is None:
        raise UserError(
            f"attack {problem.attack} (loss=embedding) needs a model with image features; this one has none"
        )
    with torch.no_grad():
        anchor = features(problem.pixels)
    return Objective(lambda moved: (moved - anchor).square().sum(dim=-1), features)
