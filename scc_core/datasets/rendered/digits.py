"""scikit-learn's real handwritten digits, enlarged from 8 x 8 with a random affine map and random colours."""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from scc_core.datasets.rendered.canvas import Field, X, Y, add_grain, paint, to_uint8, turned
from scc_core.datasets.rendered.textures import BACKGROUNDS, COLOURS, render_background
from scc_core.errors import UserError

DIGIT_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
NUM_TEST_GLYPHS = 60
"""Handwritten digits of each class that are kept for testing."""
Split = Literal["train", "test"]


@cache
def _glyphs() -> tuple[tuple[Field, ...], ...]:
    """Return for every digit its glyphs as ``(8, 8)`` planes in [0, 1], in scikit-learn's order."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise UserError("demo/digits reads the digits inside scikit-learn: pip install scikit-learn") from error
    bunch = load_digits()
    planes = np.asarray(bunch.images, dtype=np.float64) / 16.0
    return tuple(tuple(planes[bunch.target == digit]) for digit in range(10))


def glyphs(digit: int, split: Split) -> tuple[Field, ...]:
    """Return the ``(8, 8)`` glyphs of a digit; the last 60 of each class are the test split."""
    planes = _glyphs()[digit]
    return planes[-NUM_TEST_GLYPHS:] if split == "test" else planes[:-NUM_TEST_GLYPHS]


def _sampled(glyph: Field, column: Field, row: Field) -> Field:
    """Sample a glyph bilinearly at fractional positions; outside it is empty."""
    padded = np.pad(glyph, 2)
    column, row = np.clip(column + 2.0, 0.0, 10.999), np.clip(row + 2.0, 0.0, 10.999)
    left, top = column.astype(np.int64), row.astype(np.int64)
    right_share, bottom_share = column - left, row - top
    upper = padded[top, left] * (1.0 - right_share) + padded[top, left + 1] * right_share
    lower = padded[top + 1, left] * (1.0 - right_share) + padded[top + 1, left + 1] * right_share
    return upper * (1.0 - bottom_share) + lower * bottom_share


def render_digit(rng: np.random.Generator, glyph: Field, colour: str) -> npt.NDArray[np.uint8]:
    """Render one handwritten digit as ``(64, 64, 3)`` uint8, lighter than its background.

    The glyph has a random size, turn, slant and position.
    """
    image = render_background(rng, str(rng.choice(BACKGROUNDS)))
    shade = np.asarray(COLOURS[colour]) * rng.uniform(0.9, 1.05) + rng.uniform(-0.03, 0.03, 3)
    center = rng.uniform(-0.12, 0.12, 2)
    x, y = turned(X - center[0], Y - center[1], rng.uniform(-0.2, 0.2))
    width, height = rng.uniform(0.72, 0.92, 2)
    x = x + rng.uniform(-0.15, 0.15) * y
    ink = _sampled(glyph, 3.5 + 4.0 * x / width, 3.5 + 4.0 * y / height)
    paint(image, np.clip(ink * 1.5 - 0.2, 0.0, 1.0), shade)
    add_grain(image, rng, rng.uniform(0.01, 0.03))
    return to_uint8(image)
