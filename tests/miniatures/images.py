"""Images that can be told apart after any lossy encoding: each serial number has a plain colour of its own."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image


class Shown(NamedTuple):
    """What one sample of a miniature must be: the serial number of its image, and its label."""

    serial: int
    label: int


Expected = list[Shown]
"""The samples in the order in which the dataset must give them."""


def colour(serial: int) -> tuple[int, int, int]:
    """Return the colour of an image: a different one, at least 16 levels away, for each of 4,096 numbers."""
    return (16 * (serial % 16) + 8, 16 * (serial // 16 % 16) + 8, 16 * (serial // 256 % 16) + 8)


def pixels(serial: int, width: int = 40, height: int = 32) -> np.ndarray:
    """Return image ``serial`` as ``(height, width, 3)`` uint8."""
    return np.broadcast_to(np.array(colour(serial), dtype=np.uint8), (height, width, 3)).copy()


def write_image(path: Path, serial: int, width: int = 40, height: int = 32) -> None:
    """Write image ``serial``; the suffix says in which format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels(serial, width, height)).save(path, **({"quality": 95} if path.suffix != ".png" else {}))


def shows(image: np.ndarray, serial: int) -> bool:
    """Tell whether a decoded image is image ``serial``; JPEG moves a plain colour by a level or two."""
    return bool(np.abs(image.reshape(-1, 3).mean(axis=0) - colour(serial)).max() < 4)
