"""JPEG compression as a defense: Dziugaite et al., arXiv 1608.00853; Guo et al., ICLR 2018, arXiv 1711.00117."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from scc_core.components.parameters import parameter
from scc_core.defenses.base import Defense, Gradients
from scc_core.defenses.registry import defenses
from scc_core.models.base import ZeroShotModel
from scc_core.noise import Noise


@defenses.register("jpeg")
@dataclass(frozen=True)
class Jpeg(Defense):
    """Classify the image after it was written as a JPEG file and read again.

    The image is first rounded to 8 bits a channel; chroma is halved (4:2:0), Pillow's default. Neither step has a
    useful gradient, so an adaptive attacker skips over both (BPDA).
    """

    gradients: ClassVar[tuple[Gradients, ...]] = ("bpda",)
    control: ClassVar[bool] = True

    quality: int = parameter(75, minimum=1, maximum=100, help="JPEG quality as Pillow and libjpeg count it")

    def correct(self, model: ZeroShotModel, pixels: Tensor, noise: Noise) -> Tensor:  # noqa: ARG002
        """Return the images as their JPEG files show them."""
        levels = (pixels * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
        compressed = np.stack([self._compressed(image) for image in levels])
        return torch.from_numpy(compressed).to(pixels.device).permute(0, 3, 1, 2).to(pixels.dtype) / 255

    def _compressed(self, levels: np.ndarray[Any, np.dtype[np.uint8]]) -> np.ndarray[Any, np.dtype[np.uint8]]:
        file = BytesIO()
        Image.fromarray(levels).save(file, format="JPEG", quality=self.quality)
        return np.asarray(Image.open(file))
