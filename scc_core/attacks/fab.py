"""The fast adaptive boundary attack, targeted, L-inf (Croce and Hein, ICML 2020, arXiv 1907.02044, algorithm 1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import ClassVar

import torch
from torch import Tensor

from scc_core.attacks.base import Attack, require_classes
from scc_core.attacks.optimisation.hyperplane import project_on_hyperplane
from scc_core.attacks.optimisation.losses import logits_of
from scc_core.attacks.optimisation.survivors import in_turn
from scc_core.attacks.problem import Problem
from scc_core.attacks.registry import attacks
from scc_core.components.parameters import parameter
from scc_core.cost import Cost
from scc_core.models.base import Classifier
from scc_core.noise import Noise

_SMALLEST = 1e-8


@attacks.register("fab-t")
@dataclass(frozen=True)
class FABT(Attack):
    """Look for the nearest misclassified image: step onto the linearised boundary, with a bias towards the image.

    With ``g = z_t - z_y`` linearised at the iterate, ``d_1`` and ``d_2`` are the smallest steps that take the iterate
    and the image onto ``g = 0`` within [0, 1]; ``x <- (1 - a)(x_k + eta d_1) + a (x + eta d_2)`` with
    ``a = min(||d_1|| / (||d_1|| + ||d_2||), alpha_max)``. Whenever the iterate is misclassified it is remembered if it
    is the nearest so far, and pulled back: ``x + beta (x_k - x)``. One run per target, most likely wrong class first.

    Success is the nearest misclassified image within epsilon. Images that are misclassified when clean are left alone,
    a run sees only the survivors of those before it, and an image that survives all of them is returned clean, all as
    in the published code. That code, like this, drops the paper's final search along the line to the image.
    """

    name: ClassVar[str] = "fab-t"

    num_steps: int = parameter(100, minimum=1, maximum=100_000, help="number of steps")
    num_targets: int = parameter(9, minimum=1, maximum=10_000, help="target classes, at most K - 1")
    num_restarts: int = parameter(
        1, minimum=1, maximum=10_000, help="runs per target, from the second at random points"
    )
    alpha_max: float = parameter(0.1, minimum=0.0, maximum=1.0, help="largest bias towards the image")
    eta: float = parameter(1.05, minimum=1.0, maximum=2.0, help="overshoot of the step onto the boundary")
    beta: float = parameter(0.9, minimum=0.0, maximum=1.0, help="how much of the perturbation a backward step keeps")

    def perturb(self, model: Classifier, pixels: Tensor, labels: Tensor, epsilon: float, noise: Noise) -> Tensor:
        """Return the nearest misclassified images within epsilon; see :meth:`Attack.perturb`."""
        problem = Problem(self.name, model, pixels, labels, epsilon, noise)
        ranks = range(1, self._targets(model.num_classes) + 1)
        runs = product(ranks, range(self.num_restarts))
        return in_turn(problem, (partial(self._run, rank=rank, restart=restart) for rank, restart in runs))

    def _run(self, problem: Problem, rank: int, restart: int) -> Tensor:
        nearest = problem.pixels.clone()
        distance = torch.full(problem.labels.shape, torch.inf, device=nearest.device)
        difference = partial(_difference, labels=problem.labels, targets=problem.wrong_classes(rank))
        images = problem.pixels if restart == 0 else _start(problem.fold(f"target-{rank}/restart-{restart}"))
        for step in range(1, self.num_steps + 1):
            images = self._step(problem, difference, images, step)
            broken = problem.logits(images, f"step {step}").argmax(dim=1) != problem.labels
            away = _size(images - problem.pixels)
            closer = broken & (away < distance)
            nearest = torch.where(_per_image(closer), images, nearest)
            distance = torch.where(closer, away, distance)
            pulled_back = problem.pixels + self.beta * (images - problem.pixels)
            images = torch.where(_per_image(broken), pulled_back, images)
        return torch.where(_per_image(distance <= problem.epsilon), nearest, problem.pixels)

    def _step(self, problem: Problem, difference: Callable[[Tensor], Tensor], images: Tensor, step: int) -> Tensor:
        point = problem.ascend(difference, images, f"step {step}")
        normal, at, clean = (part.flatten(1) for part in (point.gradient, images, problem.pixels))
        from_image = project_on_hyperplane(at, normal, point.loss)
        from_clean = project_on_hyperplane(clean, normal, point.loss + ((clean - at) * normal).sum(dim=1))
        near, far = (_size(part).clamp_min(_SMALLEST) for part in (from_image, from_clean))
        alpha = (near / (near + far)).clamp_max(self.alpha_max).unsqueeze(1)
        mixed = (1 - alpha) * (at + self.eta * from_image) + alpha * (clean + self.eta * from_clean)
        return mixed.clamp(0.0, 1.0).reshape(images.shape)

    def _targets(self, num_classes: int) -> int:
        return min(self.num_targets, num_classes - 1)

    def check(self, num_classes: int) -> None:
        """Check that there is another class; see :meth:`Attack.check`."""
        require_classes(self.name, num_classes, 2)

    def composition(self, num_classes: int) -> tuple[str, ...]:
        """Return the name, with the number of targets if the classes allow fewer than asked."""
        targets = self._targets(num_classes)
        return (f"{self.name}(num_targets={targets})" if targets < self.num_targets else self.name,)

    def nominal_cost(self, num_classes: int) -> Cost:
        """Return the passes of all runs, assuming that the image survives them: two forwards and a backward a step."""
        runs = self._targets(num_classes) * self.num_restarts
        return Cost(forwards=1 + runs * (2 * self.num_steps + 2), backwards=runs * self.num_steps)


def _difference(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    return logits_of(logits, targets) - logits_of(logits, labels)


def _start(problem: Problem) -> Tensor:
    """Return a random point at half of epsilon from every image, clamped to [0, 1]."""
    draw = problem.noise.fold("start").uniform(tuple(problem.pixels.shape[1:]), -1.0, 1.0)
    draw = draw / _per_image(_size(draw))
    return (problem.pixels + 0.5 * problem.epsilon * draw).clamp(0.0, 1.0)


def _size(perturbation: Tensor) -> Tensor:
    return perturbation.abs().flatten(1).amax(dim=1)


def _per_image(values: Tensor) -> Tensor:
    return values.reshape(-1, 1, 1, 1)
