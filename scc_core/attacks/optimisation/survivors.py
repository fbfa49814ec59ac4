"""Several runs in turn, each for the images that no earlier run has broken."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from scc_core.attacks.optimisation.losses import margin
from scc_core.attacks.problem import Problem

Run = Callable[[Problem], Tensor]
"""One run of an attack: it returns images ``(B, 3, H, W)`` within the budget."""


def in_turn(problem: Problem, runs: Iterable[Run], *, skip_misclassified: bool = True) -> Tensor:
    """Return, per image, the result of the first run that breaks it, or that of the smallest margin if none does.

    The images of every run are classified once more. An image is broken when its label is no longer the predicted
    class, whatever the target of the attack.

    Args:
        problem: the images.
        runs: in order, as long as any image is still classified correctly; a run changes no other.
        skip_misclassified: leave images alone that are misclassified when clean, as AutoAttack does.

    Returns:
        Images ``(B, 3, H, W)``.
    """
    images = problem.pixels.clone()
    lowest = torch.full(problem.labels.shape, torch.inf, device=images.device)
    alive = torch.ones_like(problem.labels, dtype=torch.bool)
    if skip_misclassified:
        alive, lowest = _standing(problem, images, "the clean image")
    for number, run in enumerate(runs, start=1):
        if not alive.any():
            break
        part = problem.among(alive)
        found = run(part)
        standing, margins = _standing(part, found, f"the result of run {number}")
        better = alive & (~standing | (margins < lowest))
        images = torch.where(better.reshape(-1, 1, 1, 1), found, images)
        lowest = torch.where(better, margins, lowest)
        alive = alive & standing
    return images


def _standing(problem: Problem, images: Tensor, step: str) -> tuple[Tensor, Tensor]:
    """Return ``(B,)`` whether the label is still predicted, and the margin."""
    logits = problem.logits(images, step)
    return logits.argmax(dim=1) == problem.labels, margin(logits, problem.labels)
