"""Contrastive spectral rectification (CSR): Nie et al., ICML 2026, arXiv 2601.19210."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from scc_core.attacks.base import input_gradient, project
from scc_core.components.parameters import PIXEL, parameter
from scc_core.cost import Cost
from scc_core.defenses.base import Defense, DefenseCost, Gradients
from scc_core.defenses.low_pass import low_pass
from scc_core.defenses.registry import defenses
from scc_core.models.base import ZeroShotModel
from scc_core.noise import Noise


@defenses.register("csr")
@dataclass(frozen=True)
class CSR(Defense):
    """Move an image whose embedding a low-pass filter changes towards the filtered image's embedding.

    An image is flagged if ``cos(f(x), f(LPF x)) < threshold``. Flagged ones ascend by sign steps, in a ball around
    ``x``, ``cos(f, f(LPF x)) - cos(f, f(x))``, and keep the best of all images on the way; the others stay as they are.

    The published code exists twice: its plain form takes the three steps, its fast form leaves the loop before the
    last one and so takes two. The plain form is followed. The filter's radius is that of ``low-pass``.
    """

    gradients: ClassVar[tuple[Gradients, ...]] = ("bpda",)

    radius: float = parameter(40.0, minimum=0.01, maximum=10_000.0, help="radius of the filter, in cycles per image")
    threshold: float = parameter(0.85, minimum=-1.0, maximum=1.0, help="cosine below which an image is flagged")
    epsilon: float = parameter(4 / 255, minimum=0.0, maximum=1.0, unit=PIXEL, help="L-inf radius of the correction")
    step_size: float = parameter(2 / 255, minimum=1e-6, maximum=1.0, unit=PIXEL, help="length of a step")
    num_steps: int = parameter(3, minimum=1, maximum=10_000, help="number of steps")

    def correct(self, model: ZeroShotModel, pixels: Tensor, noise: Noise) -> Tensor:  # noqa: ARG002
        """Return the images, the flagged ones rectified."""
        own = functional.normalize(model.features(pixels), dim=-1)
        filtered = functional.normalize(model.features(low_pass(pixels, self.radius)), dim=-1)
        flagged = (own * filtered).sum(dim=-1) < self.threshold
        if not flagged.any():
            return pixels
        # All images: those that are not flagged must not change the shape in which the others are computed.
        return torch.where(flagged.reshape(-1, 1, 1, 1), self.rectify(model, pixels, filtered - own), pixels)

    def rectify(self, model: ZeroShotModel, pixels: Tensor, direction: Tensor) -> Tensor:
        """Return the best images on the way up ``cos(f, f(LPF x)) - cos(f, f(x))``.

        Args:
            model: the classifier.
            pixels: the images ``(B, 3, H, W)``.
            direction: ``(B, D)``, the filtered image's unit embedding minus the image's own.
        """
        best = Best(pixels)

        def contrast(leaf: Tensor) -> Tensor:
            scores = (functional.normalize(model.features(leaf), dim=-1) * direction).sum(dim=-1)
            best.update(leaf.detach(), scores.detach())
            return scores

        images = pixels
        for _ in range(self.num_steps):
            images = project(images + self.step_size * input_gradient(contrast, images).sign(), pixels, self.epsilon)
        contrast(images)
        return best.images

    def nominal_cost(self, num_classes: int) -> DefenseCost:  # noqa: ARG002 - the classes play no part
        """Return the passes of a flagged image: two to compare, the steps, the last score and the prediction."""
        return DefenseCost(correct=Cost(forwards=self.num_steps + 3, backwards=self.num_steps))


class Best:
    """The best image seen so far, for every image of a batch.

    Attributes:
        images: ``(B, 3, H, W)``.
        scores: ``(B,)``.
    """

    def __init__(self, images: Tensor) -> None:
        self.images = images
        self.scores = torch.full((len(images),), -math.inf, device=images.device)

    def update(self, images: Tensor, scores: Tensor) -> None:
        """Take every image whose score is better."""
        better = scores > self.scores
        self.images = torch.where(better.reshape(-1, 1, 1, 1), images, self.images)
        self.scores = torch.where(better, scores, self.scores)
