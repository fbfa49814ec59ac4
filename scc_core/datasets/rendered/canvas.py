"""Rendering primitives: a 64 x 64 canvas in float64, soft masks from signed distances, smooth noise.

Coordinates run from -1 (left, top) to 1 (right, bottom). Everything is float64, so that a last-bit difference
between two machines' mathematics libraries does not reach the rounded pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.float64]
"""A ``(64, 64)`` plane of values, or a ``(64, 64, 3)`` image in [0, 1]."""
Colour = Sequence[float] | Field
"""Red, green and blue in [0, 1]."""

Point = Sequence[float] | Field
"""Two numbers, across and down."""

SIZE = 64
PIXEL = 2.0 / SIZE
_AXIS = (np.arange(SIZE) + 0.5) * PIXEL - 1.0
X: Field = np.repeat(_AXIS[None, :], SIZE, axis=0)
Y: Field = np.repeat(_AXIS[:, None], SIZE, axis=1)
X.setflags(write=False)
Y.setflags(write=False)


def turned(x: Field, y: Field, angle: float) -> tuple[Field, Field]:
    """Rotate the coordinate planes by ``angle`` radians."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return cosine * x + sine * y, cosine * y - sine * x


def coverage(distance: Field, softness: float = PIXEL) -> Field:
    """Turn a signed distance (negative inside) into a mask in [0, 1]; its edge is ``softness`` wide."""
    return np.clip(0.5 - distance / softness, 0.0, 1.0)


def ellipse(center: Point, radii: Point, angle: float = 0.0) -> Field:
    """Return the approximate signed distance to an ellipse as a ``(64, 64)`` plane."""
    x, y = turned(X - center[0], Y - center[1], angle)
    scaled: Field = np.sqrt((x / radii[0]) ** 2 + (y / radii[1]) ** 2)
    return (scaled - 1.0) * min(radii)


def filled(colour: Colour) -> Field:
    """Return a ``(64, 64, 3)`` image of one colour."""
    return np.tile(np.asarray(colour, dtype=np.float64), (SIZE, SIZE, 1))


def paint(image: Field, mask: Field, colour: Colour) -> None:
    """Blend ``colour``, one colour or a ``(64, 64, 3)`` image, into ``image`` where ``mask`` is 1."""
    image += mask[..., None] * (np.asarray(colour, dtype=np.float64) - image)


def stamp(
    image: Field,
    center: Point,
    radii: Point,
    colour: Colour,
    angle: float = 0.0,
    softness: float = 1.5,
) -> None:
    """Paint one small ellipse in place, touching only the pixels around it; ``softness`` is in pixels."""
    reach = max(radii) + softness * PIXEL
    left, right = _pixels(center[0], reach)
    top, bottom = _pixels(center[1], reach)
    if left >= right or top >= bottom:
        return
    window = np.s_[top:bottom, left:right]
    x, y = turned(X[window] - center[0], Y[window] - center[1], angle)
    scaled: Field = np.sqrt((x / radii[0]) ** 2 + (y / radii[1]) ** 2)
    paint(image[window], coverage((scaled - 1.0) * min(radii), softness * PIXEL), colour)


def _pixels(center: float, reach: float) -> tuple[int, int]:
    first = int((center - reach + 1.0) / PIXEL)
    last = int((center + reach + 1.0) / PIXEL) + 1
    return max(0, first), min(SIZE, last)


@cache
def _interpolation(cells: int) -> Field:
    """Return the ``(64, cells + 1)`` weights that interpolate a coarse grid with a smooth step."""
    position = np.arange(SIZE) * (cells / SIZE)
    lower = np.floor(position).astype(np.int64)
    step = position - lower
    step = step * step * (3.0 - 2.0 * step)
    weights = np.zeros((SIZE, cells + 1))
    weights[np.arange(SIZE), lower] = 1.0 - step
    weights[np.arange(SIZE), lower + 1] = step
    return weights


def smooth_noise(rng: np.random.Generator, cells: int) -> Field:
    """Return a smooth ``(64, 64)`` plane in [-1, 1] that varies about ``cells`` times across the image."""
    weights = _interpolation(cells)
    return weights @ rng.uniform(-1.0, 1.0, (cells + 1, cells + 1)) @ weights.T


def add_grain(image: Field, rng: np.random.Generator, deviation: float) -> None:
    """Add Gaussian noise of this deviation (in [0, 1] pixels) in place, the same in all channels."""
    image += deviation * rng.standard_normal((SIZE, SIZE))[..., None]


def to_uint8(image: Field) -> npt.NDArray[np.uint8]:
    """Clip to [0, 1] and round to ``(64, 64, 3)`` uint8."""
    return np.rint(np.clip(image, 0.0, 1.0) * 255.0).astype(np.uint8)
