"""Crops of the real photographs inside the scikit-image and scikit-learn packages.

Train and test crops come from different tiles of the same photograph: a test crop shows pixels that no
training crop shows, but not a scene that no training crop shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from scc_core.datasets.rendered.canvas import SIZE
from scc_core.errors import UserError

SUBJECTS: Mapping[str, str] = {
    "astronaut": "astronaut.png",
    "cat": "chelsea.png",
    "cup of coffee": "coffee.png",
    "hoard of coins": "coins.png",
    "brick wall": "brick.png",
    "patch of grass": "grass.png",
    "bed of gravel": "gravel.png",
    "surface of the moon": "moon.png",
    "motorcycle": "motorcycle_left.png",
    "flower": "flower.jpg",
    "temple": "china.jpg",
    "rocket": "rocket.jpg",
}
"""Class name to file name."""
_SKLEARN_FILES = ("flower.jpg", "china.jpg")
"""Scikit-learn has these files, and scikit-image the others."""
SUBJECT_NAMES = tuple(SUBJECTS)
_TEST_COLUMNS = (1, 3, 0, 2)
"""The test tile of every row of the 4 x 4 tiles: one in each row and column, none adjacent (four queens)."""
Split = Literal["train", "test"]
Uint8Image = npt.NDArray[np.uint8]


@cache
def photograph(subject: str) -> Uint8Image:
    """Return a whole photograph as ``(H, W, 3)`` uint8."""
    name = SUBJECTS[subject]
    package, folder = ("sklearn", "datasets/images") if name in _SKLEARN_FILES else ("skimage", "data")
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise UserError("demo/photos reads photographs inside other packages: pip install scikit-image scikit-learn")
    with Image.open(Path(spec.origin).parent / folder / name) as picture:
        return np.asarray(picture.convert("RGB"))


def tiles(split: Split) -> tuple[tuple[int, int], ...]:
    """Return the (row, column) of every tile of a split: 4 for test, 12 for train."""
    every = [(row, column) for row in range(4) for column in range(4)]
    return tuple(tile for tile in every if (_TEST_COLUMNS[tile[0]] == tile[1]) == (split == "test"))


def crop_box(rng: np.random.Generator, height: int, width: int, split: Split) -> tuple[int, int, int, int]:
    """Draw a square (left, top, right, bottom) in pixels that lies inside one tile of the split."""
    choices = tiles(split)
    row, column = choices[rng.integers(len(choices))]
    tile_height, tile_width = height // 4, width // 4
    side = round(min(tile_height, tile_width) * rng.uniform(0.75, 1.0))
    top = row * tile_height + int(rng.integers(tile_height - side + 1))
    left = column * tile_width + int(rng.integers(tile_width - side + 1))
    return left, top, left + side, top + side


def render_photo(rng: np.random.Generator, subject: str, split: Split) -> Uint8Image:
    """Cut one crop, resize it to ``(64, 64, 3)`` uint8, mirror it at random and change its light a little."""
    pixels = photograph(subject)
    left, top, right, bottom = crop_box(rng, pixels.shape[0], pixels.shape[1], split)
    crop = Image.fromarray(pixels[top:bottom, left:right]).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    image = np.asarray(crop, dtype=np.float64)
    image = image[:, ::-1] if rng.random() < 0.5 else image
    image = image * rng.uniform(0.85, 1.1) + rng.uniform(-12.0, 12.0)
    return np.rint(np.clip(image, 0.0, 255.0)).astype(np.uint8)
