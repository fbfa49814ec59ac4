"""From the bytes of an image file to ``(H, W, 3)`` uint8 RGB, for every kind of file that Pillow reads.

The published protocols read images with torchvision's default loader, which is Pillow's ``open(...).convert("RGB")``.
This module gives the same pixels, except where that loader would clip: see :func:`decode_bytes`.
"""

from __future__ import annotations

import io
import os
import warnings
from pathlib import PurePath

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from scc_core.datasets.base import Uint8Image
from scc_core.errors import UserError

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2"}
)
"""The endings of image files, in lower case."""
LARGEST_ASPECT_RATIO = 100
"""An image beyond this ratio would take more than 15 MB after its shorter side is resized to 224 pixels."""
_UNSCALED_MODES = ("I", "F")

# Pillow may warn about the palette or the metadata of every image of a dataset. The filter is set for the process,
# because `warnings.catch_warnings` in one thread undoes the filters of the others.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


class UnreadableImageError(UserError):
    """An image that cannot be used; the text names it and says why.

    Attributes:
        name: what the image is called.
        reason: why, without the name.
    """

    def __init__(self, name: str, reason: str) -> None:
        # Both as arguments, so that the error survives the way from a worker.
        super().__init__(name, reason)
        self.name = name
        self.reason = reason

    def __str__(self) -> str:
        return f"cannot read the image {self.name}: {self.reason}"


def is_image_name(name: str | PurePath) -> bool:
    """Tell whether a file of this name is taken for an image."""
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122 -- asked of every file of a folder


def decode_bytes(content: bytes, name: str) -> Uint8Image:
    """Decode the bytes of an image file to ``(H, W, 3)`` uint8 RGB.

    - Sixteen-bit samples keep their high byte: the whole range is scaled, where a plain conversion would clip it.
    - Transparency is dropped, and transparent pixels keep their colour. Palettes are looked up; grey becomes RGB.
    - CMYK is converted without a colour profile, and embedded profiles are ignored.
    - The orientation in EXIF is ignored, as torchvision's loader and therefore every published number ignores it.
    - Of several frames or pages the first is taken.

    Args:
        content: the whole file.
        name: what to call it in an error.

    Raises:
        UnreadableImageError: not an image, truncated or damaged, empty, of pixels without a defined range (32-bit
            integers, floats), more than 100 times as long as it is wide, or too large to be harmless.
    """
    # Training code often sets this for the process; Pillow then takes half an image for a whole one.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        with Image.open(io.BytesIO(content)) as image:
            _check(image, name)
            if not image.mode.startswith("I;16"):
                return np.array(image.convert("RGB"))
            image.load()
            high_bytes = (np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)
            return np.repeat(high_bytes[:, :, None], 3, axis=2)
    except (UnreadableImageError, MemoryError):
        raise
    except Exception as error:
        # Pillow's decoders raise many kinds of errors on damage: OSError, SyntaxError, ValueError, struct.error.
        raise UnreadableImageError(name, _reason(error, content)) from None


def _check(image: Image.Image, name: str) -> None:
    if image.mode in _UNSCALED_MODES:
        raise UnreadableImageError(
            name, f"its pixels are of type {image.mode} (32-bit), which has no defined range; save it with 8 or 16 bits"
        )
    width, height = image.size
    if max(width, height) > LARGEST_ASPECT_RATIO * min(width, height):
        raise UnreadableImageError(
            name, f"{width} x {height} pixels: the longer side is over {LARGEST_ASPECT_RATIO} times the shorter"
        )


def _reason(error: Exception, content: bytes) -> str:
    if not content:
        return "the file is empty"
    if isinstance(error, UnidentifiedImageError):
        return "not an image, or of a format that Pillow does not know"
    if isinstance(error, Image.DecompressionBombError):
        return f"more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels"
    return " ".join(str(error).split()) or type(error).__name__
