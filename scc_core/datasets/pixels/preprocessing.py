"""From decoded images to square uint8 pixels: the two published preprocessings."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image

from scc_core.datasets.base import Uint8Image
from scc_core.errors import unknown_name


def native(image: Uint8Image, size: int) -> Uint8Image:
    """CLIP's own: resize the shorter side to ``size`` (bicubic, antialiased), centre crop; ``(size, size, 3)``."""
    return _resize_and_crop(image, size, size, Image.Resampling.BICUBIC)


def paper(image: Uint8Image, size: int) -> Uint8Image:
    """That of the published tables: ``Resize(256, bilinear)`` and ``CenterCrop(224)``, in proportion to ``size``."""
    return _resize_and_crop(image, round(size * 256 / 224), size, Image.Resampling.BILINEAR)


PREPROCESSINGS: Mapping[str, Callable[[Uint8Image, int], Uint8Image]] = {"native": native, "paper": paper}


def get_preprocessing(name: str) -> Callable[[Uint8Image, int], Uint8Image]:
    """Return the preprocessing called ``name``.

    Raises:
        UserError: no such preprocessing.
    """
    if name not in PREPROCESSINGS:
        raise unknown_name("preprocessing", name, PREPROCESSINGS)
    return PREPROCESSINGS[name]


def _resize_and_crop(image: Uint8Image, shorter: int, size: int, method: Image.Resampling) -> Uint8Image:
    height, width = image.shape[:2]
    if min(height, width) != shorter:
        # torchvision's rule: the longer side is truncated, not rounded.
        new_width, new_height = (
            (shorter, int(shorter * height / width)) if width <= height else (int(shorter * width / height), shorter)
        )
        image = np.asarray(Image.fromarray(image).resize((new_width, new_height), method))
        height, width = image.shape[:2]
    top, left = round((height - size) / 2), round((width - size) / 2)
    return image[top : top + size, left : left + size]
