"""Cheap views of an image, and the average over them without any correction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from scc_core.components.parameters import DEVIATION, parameter
from scc_core.cost import Cost
from scc_core.defenses.base import Defense, DefenseCost, Gradients
from scc_core.defenses.registry import defenses
from scc_core.models.base import ZeroShotModel
from scc_core.noise import Noise


@dataclass(frozen=True)
class Views:
    """Cheap views of images: identity, flip, and both with Gaussian noise; one draw is used throughout.

    Attributes:
        offsets: ``(V, B, 3, H, W)``, the noise of every view (zero for the first two).
    """

    offsets: Tensor

    @classmethod
    def draw(cls, pixels: Tensor, num_views: int, sigma: float, noise: Noise) -> Views:
        """Draw the views' noise: view ``i`` is flipped if ``i`` is odd and noisy if ``i >= 2``."""
        shape = tuple(pixels.shape[1:])
        noisy = [sigma * noise.fold(f"view-{view}").normal(shape) for view in range(2, num_views)]
        return cls(torch.stack([torch.zeros_like(pixels)] * min(num_views, 2) + noisy))

    def __len__(self) -> int:
        return len(self.offsets)

    def __call__(self, images: Tensor) -> Tensor:
        """Return ``(V * B, 3, H, W)`` in [0, 1], the views of ``(B, 3, H, W)`` images, view by view."""
        views = [images.flip(-1) if view % 2 else images for view in range(len(self))]
        views[2:] = [(view + offset).clamp(0.0, 1.0) for view, offset in zip(views[2:], self.offsets[2:], strict=True)]
        return torch.cat(views)

    def split(self, rows: Tensor) -> Tensor:
        """Return ``(V, B, N)`` of what was computed from the views, ``(V * B, N)``."""
        return rows.reshape(len(self), -1, rows.shape[-1])


@defenses.register("views")
@dataclass(frozen=True)
class ViewAverage(Defense):
    """Average the logits over flip and noise views of the image as it came: what is left of SCC without correction.

    The views are those of ``scc``, drawn from the same noise, so that the two are compared on the same draw.
    """

    gradients: ClassVar[tuple[Gradients, ...]] = ("unrolled",)
    randomised: ClassVar[bool] = True
    control: ClassVar[bool] = True

    num_views: int = parameter(4, minimum=1, maximum=256, help="identity, flip, then noisy ones, flipped in turn")
    sigma: float = parameter(
        0.02, minimum=0.0, maximum=1.0, unit=DEVIATION, help="deviation of the views' Gaussian noise, in pixels"
    )

    def classify(self, model: ZeroShotModel, images: Tensor, noise: Noise) -> Tensor:
        """Return the mean of the views' logits."""
        views = Views.draw(images, self.num_views, self.sigma, noise)
        return views.split(model(views(images))).mean(dim=0)

    def nominal_cost(self, num_classes: int) -> DefenseCost:  # noqa: ARG002 - the classes play no part
        """Return one forward per view."""
        return DefenseCost(classify=Cost(forwards=self.num_views))
