"""The attack contract, and the steps that attacks share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from scc_core.models.base import Classifier
from scc_core.noise import Noise
from scc_core.outcomes import Cost
from scc_core.parameters import Component


class AttackResult(NamedTuple):
    """Adversarial images and what they cost.

    Attributes:
        images: ``(B, 3, H, W)`` float32 in [0, 1].
        cost: images passed forward and backward through the model; ``seconds`` is left at 0.
    """

    images: Tensor
    cost: Cost


class Attack(Component, ABC):
    """Base of all attacks: subclasses are frozen dataclasses whose fields are parameters.

    An attack is trusted with nothing: the evaluation checks its budget and decides success.
    """

    def __call__(self, model: Classifier, pixels: Tensor, labels: Tensor, epsilon: float, noise: Noise) -> AttackResult:
        """Make adversarial images and count what they cost.

        Args:
            model: the classifier under attack.
            pixels: ``(B, 3, H, W)`` float32 in [0, 1].
            labels: ``(B,)`` int64 true classes.
            epsilon: L-inf radius in [0, 1] pixel units.
            noise: the source of all randomness.
        """
        with model.meter.measure() as counted:
            images = self.perturb(model, pixels, labels, epsilon, noise)
            return AttackResult(images.detach(), counted())

    @abstractmethod
    def perturb(self, model: Classifier, pixels: Tensor, labels: Tensor, epsilon: float, noise: Noise) -> Tensor:
        """Return adversarial images ``(B, 3, H, W)`` within ``epsilon`` of ``pixels`` and within [0, 1]."""

    @abstractmethod
    def nominal_cost(self, num_classes: int) -> Cost:
        """Return the forwards and backwards per image that planning assumes."""


def project(images: Tensor, centre: Tensor, epsilon: float) -> Tensor:
    """Project on the L-inf ball of radius ``epsilon`` around ``centre`` and on [0, 1]."""
    return (centre + (images - centre).clamp(-epsilon, epsilon)).clamp(0.0, 1.0)


def random_start(pixels: Tensor, epsilon: float, noise: Noise) -> Tensor:
    """Return ``pixels`` plus uniform noise on [-epsilon, epsilon), clamped to [0, 1]."""
    offset = noise.fold("start").uniform(tuple(pixels.shape[1:]), -epsilon, epsilon)
    return (pixels + offset).clamp(0.0, 1.0)


def input_gradient(objective: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Return the gradient of the summed ``objective`` (``(B,)`` per image) in ``images``, of the same shape."""
    leaf = images.detach().requires_grad_(True)
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(objective(leaf).sum(), leaf)
    return gradient
