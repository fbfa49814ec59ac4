"""Test-time transformation ensembling (TTE): Perez et al., ICCV 2021 workshops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from scc_core.components.parameters import parameter
from scc_core.cost import Cost
from scc_core.defenses.base import Defense, DefenseCost, Gradients
from scc_core.defenses.registry import defenses
from scc_core.models.base import ZeroShotModel
from scc_core.noise import Noise


@defenses.register("tte")
@dataclass(frozen=True)
class TTE(Defense):
    """Average the logits over the image, its mirror image, random crops, and the same crops of the mirror image.

    A crop pads the image with black and cuts a window of the original size at a random place, four pixels of padding
    to 32 in the paper's CIFAR setting; here the padding is that share of the image's side, and every image draws
    windows of its own. The published code differs from the paper: its list of crops binds the loop's variable late,
    so that all of them are the last window drawn; it draws the windows once for a whole run; and it never draws the
    window furthest right or down.
    """

    gradients: ClassVar[tuple[Gradients, ...]] = ("unrolled",)
    randomised: ClassVar[bool] = True

    num_crops: int = parameter(4, minimum=0, maximum=256, help="crops, each also taken of the mirror image")
    padding: float = parameter(0.125, minimum=0.0, maximum=1.0, help="black border, as a share of the image's side")

    def classify(self, model: ZeroShotModel, images: Tensor, noise: Noise) -> Tensor:
        """Return the mean of the logits over the transformed images."""
        mirrored = images.flip(-1)
        views = [images, mirrored]
        for crop in range(self.num_crops):
            views += random_crops((images, mirrored), self.padding, noise.fold(f"crop-{crop}"))
        return torch.stack([model(view) for view in views]).mean(dim=0)

    def nominal_cost(self, num_classes: int) -> DefenseCost:  # noqa: ARG002 - the classes play no part
        """Return one forward per transformed image."""
        return DefenseCost(classify=Cost(forwards=2 + 2 * self.num_crops))


def random_crops(batches: tuple[Tensor, ...], padding: float, noise: Noise) -> list[Tensor]:
    """Cut the same random window of every image out of several versions of a batch, ``(B, 3, H, W)`` each."""
    height, width = batches[0].shape[-2:]
    border = round(padding * height)
    corner = noise.uniform((2,), 0.0, 2 * border + 1).floor().long()
    rows = corner[:, :1] + torch.arange(height, device=corner.device)
    columns = corner[:, 1:] + torch.arange(width, device=corner.device)
    image = torch.arange(len(corner), device=corner.device).reshape(-1, 1, 1, 1)
    channel = torch.arange(batches[0].shape[1], device=corner.device).reshape(1, -1, 1, 1)
    padded = [functional.pad(batch, (border,) * 4) for batch in batches]
    return [batch[image, channel, rows[:, None, :, None], columns[:, None, None, :]] for batch in padded]
