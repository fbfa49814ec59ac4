"""Auto-PGD (Croce and Hein, ICML 2020, arXiv 2003.01690, algorithm 1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import ClassVar

import torch
from torch import Tensor

from scc_core.attacks.base import Attack, project, require_classes
from scc_core.attacks.optimisation import losses
from scc_core.attacks.optimisation.survivors import in_turn
from scc_core.attacks.problem import Point, Problem
from scc_core.attacks.registry import attacks
from scc_core.components.parameters import parameter
from scc_core.cost import Cost
from scc_core.models.base import Classifier
from scc_core.noise import Noise

Loss = Callable[[Tensor], Tensor]

_PARTS = {"ce": "apgd-ce", "dlr": "apgd-dlr", "dlr-targeted": "apgd-t"}
_MINIMUM_CLASSES = {"ce": 2, "dlr": 3, "dlr-targeted": 4}
_MOMENTUM = 0.75


@attacks.register("apgd")
@dataclass(frozen=True)
class APGD(Attack):
    """Sign ascent with momentum whose step starts at 2 epsilon and is halved, per image, when progress stalls.

    ``z = P(x_k + eta sign(grad))``, ``x_{k+1} = P(x_k + 0.75 (z - x_k) + 0.25 (x_k - x_{k-1}))``. At checkpoints the
    step is halved and the best point restored if fewer than ``rho`` of the steps since the last checkpoint raised the
    loss, or if neither the step nor the best loss has changed since then. With ``dlr-targeted`` there is one run per
    target, most likely wrong class first.

    Images that are misclassified when clean are left alone, and a run gets only the images that survived the runs
    before it, as in the published code. A broken image is returned at its last misclassified iterate.

    Where the published code and the paper disagree, and what happens here:
    - at the first checkpoint the code compares the loss after one step with a row of zeros instead of the starting
      point's loss; here it is the starting point's, as in the paper;
    - the code halves where exactly ``rho`` of the steps raised the loss, the paper does not; here as in the paper;
    - the code returns the clean image when an image survives; here it is the one of the highest loss, unless the clean
      image has the smaller margin.
    """

    name: ClassVar[str] = "apgd"

    loss: str = parameter("ce", choices=tuple(_PARTS), help="what the steps ascend")
    num_steps: int = parameter(100, minimum=1, maximum=100_000, help="number of gradient steps")
    num_restarts: int = parameter(1, minimum=1, maximum=10_000, help="number of random starts (per target)")
    num_targets: int = parameter(9, minimum=1, maximum=10_000, help="target classes of dlr-targeted, at most K - 1")
    rho: float = parameter(0.75, minimum=0.0, maximum=1.0, help="fraction of steps that must raise the loss")

    def perturb(self, model: Classifier, pixels: Tensor, labels: Tensor, epsilon: float, noise: Noise) -> Tensor:
        """Return the last misclassified iterates; see :meth:`Attack.perturb`."""
        problem = Problem(_PARTS[self.loss], model, pixels, labels, epsilon, noise)
        ranks = range(1, self._targets(model.num_classes) + 1)
        runs = product(ranks, range(self.num_restarts))
        return in_turn(problem, (partial(self._run, rank=rank, restart=restart) for rank, restart in runs))

    def _run(self, problem: Problem, rank: int, restart: int) -> Tensor:
        if self.loss == "ce":
            loss = partial(losses.cross_entropy, labels=problem.labels)
        elif self.loss == "dlr":
            loss = partial(losses.dlr, labels=problem.labels)
        else:
            loss = partial(losses.targeted_dlr, labels=problem.labels, targets=problem.wrong_classes(rank))
        return ascend(problem.fold(f"target-{rank}/restart-{restart}"), loss, self.num_steps, self.rho)

    def _targets(self, num_classes: int) -> int:
        return min(self.num_targets, num_classes - 1) if self.loss == "dlr-targeted" else 1

    def check(self, num_classes: int) -> None:
        """Check the classes that the loss needs; see :meth:`Attack.check`."""
        require_classes(_PARTS[self.loss], num_classes, _MINIMUM_CLASSES[self.loss])

    def composition(self, num_classes: int) -> tuple[str, ...]:
        """Return the part's name in AutoAttack, with the number of targets if the classes allow fewer than asked."""
        targets, part = self._targets(num_classes), _PARTS[self.loss]
        clamped = self.loss == "dlr-targeted" and targets < self.num_targets
        return (f"{part}(num_targets={targets})" if clamped else part,)

    def nominal_cost(self, num_classes: int) -> Cost:
        """Return the passes of all runs, assuming that the image survives them."""
        runs = self._targets(num_classes) * self.num_restarts
        around = 2 if self.loss == "dlr-targeted" else 1
        return Cost(forwards=1 + runs * (self.num_steps + 1 + around), backwards=runs * (self.num_steps + 1))


def ascend(problem: Problem, loss: Loss, num_steps: int, rho: float) -> Tensor:
    """Return, per image, the last misclassified iterate of one run, or the one of the highest loss if there is none.

    Args:
        problem: the images, all of which are attacked.
        loss: ``(B,)`` of the logits.
        num_steps: number of steps, after each of which the loss is evaluated.
        rho: see :class:`APGD`.
    """
    centre, epsilon = problem.pixels, problem.epsilon
    images = previous = _start(problem)
    point = problem.ascend(loss, images, "step 0")
    progress = _Progress(problem, images, point, rho)
    checkpoints = set(_checkpoints(num_steps))
    for step in range(1, num_steps + 1):
        target = project(images + progress.step_size * point.gradient.sign(), centre, epsilon)
        keep = _MOMENTUM if step > 1 else 1.0
        moved = project(images + keep * (target - images) + (1 - keep) * (images - previous), centre, epsilon)
        images, previous = moved, images
        point = problem.ascend(loss, images, f"step {step}")
        progress.record(images, point)
        if step in checkpoints:
            images, gradient = progress.restore(images, point.gradient)
            point = point._replace(gradient=gradient)
    return progress.result()


def _start(problem: Problem) -> Tensor:
    """Return a uniform draw scaled so that its largest entry is epsilon, added to the images and clamped to [0, 1]."""
    draw = problem.noise.fold("start").uniform(tuple(problem.pixels.shape[1:]), -1.0, 1.0)
    draw = draw / draw.abs().amax(dim=(1, 2, 3), keepdim=True)
    return project(problem.pixels + problem.epsilon * draw, problem.pixels, problem.epsilon)


def _checkpoints(num_steps: int) -> Iterator[int]:
    """Yield the steps ``w_j``: the first after 22 % of them, each interval 3 % shorter than the last, at least 6 %."""
    interval, step = max(22 * num_steps // 100, 1), 0
    while (step := step + interval) <= num_steps:
        yield step
        interval = max(interval - max(3 * num_steps // 100, 1), 6 * num_steps // 100, 1)


class _Progress:
    """What a run keeps for every image: the best point, the last misclassified one, and how often the loss rose."""

    def __init__(self, problem: Problem, images: Tensor, point: Point, rho: float) -> None:
        self._labels = problem.labels
        self._rho = rho
        self.step_size = torch.full_like(images[:, :1, :1, :1], 2 * problem.epsilon)
        self._best, self._best_gradient, self._best_loss = images, point.gradient, point.loss
        self._broken = self._misclassified(point)
        self._adversarial = images
        self._loss = point.loss
        self._start_interval(halved=torch.ones_like(self._broken))

    def _start_interval(self, halved: Tensor) -> None:
        self._halved = halved
        self._best_before = self._best_loss
        self._rises = torch.zeros_like(self._loss)
        self._steps = 0

    def record(self, images: Tensor, point: Point) -> None:
        """Update the kept points and losses with the point after a step."""
        misclassified = self._misclassified(point)
        self._adversarial = _choose(misclassified, images, self._adversarial)
        self._broken = self._broken | misclassified
        self._rises = self._rises + (point.loss > self._loss)
        self._steps += 1
        self._loss = point.loss
        better = point.loss > self._best_loss
        self._best = _choose(better, images, self._best)
        self._best_gradient = _choose(better, point.gradient, self._best_gradient)
        self._best_loss = torch.where(better, point.loss, self._best_loss)

    def restore(self, images: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """Halve the step of the images that stall and return them, with their gradients, at their best points."""
        oscillating = self._rises < self._rho * self._steps
        stuck = ~self._halved & (self._best_loss <= self._best_before)
        halve = oscillating | stuck
        self.step_size = _choose(halve, self.step_size / 2, self.step_size)
        self._start_interval(halve)
        return _choose(halve, self._best, images), _choose(halve, self._best_gradient, gradient)

    def result(self) -> Tensor:
        """Return the last misclassified iterates, or those of the highest loss."""
        return _choose(self._broken, self._adversarial, self._best)

    def _misclassified(self, point: Point) -> Tensor:
        return point.outputs.argmax(dim=1) != self._labels


def _choose(rows: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    return torch.where(rows.reshape(-1, 1, 1, 1), yes, no)
