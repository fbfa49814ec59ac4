"""The defense contract: ``(model, pixels, noise) -> logits``, never a label."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import torch
from torch import Tensor

from scc_core.models.base import ZeroShotModel
from scc_core.noise import Noise
from scc_core.outcomes import Cost
from scc_core.parameters import Component

Gradients = Literal["none", "bpda", "unrolled"]


class Defense(Component, ABC):
    """Base of all test-time defenses: subclasses are frozen dataclasses whose fields are parameters.

    A defense is two steps, of which each may be left as it is: :meth:`correct` changes the image and may compute
    gradients of its own; :meth:`classify` turns the result into logits and is differentiable, so that an adaptive
    attacker can pass through it and skip over the correction (BPDA).

    Per-image semantics hold everywhere: but for rounding, what happens to an image never depends on the others of its
    batch.

    Attributes:
        gradients: the ways in which an adaptive attacker may differentiate through the defense.
        randomised: whether another draw of the noise may give another prediction.
        control: a trivial transformation that a useful defense must beat.
    """

    gradients: ClassVar[tuple[Gradients, ...]] = ("none",)
    randomised: ClassVar[bool] = False
    control: ClassVar[bool] = False

    @torch.no_grad()
    def __call__(self, model: ZeroShotModel, pixels: Tensor, noise: Noise) -> Tensor:
        """Return the defended logits ``(B, K)``.

        Args:
            model: the classifier, whose features and text embeddings the defense may use.
            pixels: ``(B, 3, H, W)`` float32 in [0, 1], attacked or clean; the defense is not told which.
            noise: the source of all randomness.
        """
        return self.classify(model, self.correct(model, pixels, noise), noise)

    def correct(self, model: ZeroShotModel, pixels: Tensor, noise: Noise) -> Tensor:  # noqa: ARG002
        """Return the corrected images ``(B, 3, H, W)`` in [0, 1]; gradients are off unless turned on inside."""
        return pixels

    def classify(self, model: ZeroShotModel, images: Tensor, noise: Noise) -> Tensor:  # noqa: ARG002
        """Return the logits ``(B, K)`` of corrected images, differentiable in them."""
        return model(images)

    @abstractmethod
    def nominal_cost(self) -> Cost:
        """Return the forwards and backwards per image that planning assumes."""
