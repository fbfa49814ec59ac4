"""Twelve shapes as signed distances in a unit frame: negative inside, the outline within a radius of 1."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from scc_core.datasets.rendered.canvas import Field, turned

SignedDistance = Callable[[Field, Field], Field]


def _box(x: Field, y: Field, half_width: float, half_height: float) -> Field:
    return np.maximum(np.abs(x) - half_width, np.abs(y) - half_height)


def circle(x: Field, y: Field) -> Field:
    """A disc."""
    return np.hypot(x, y) - 0.85


def square(x: Field, y: Field) -> Field:
    """An axis-parallel square."""
    return _box(x, y, 0.75, 0.75)


def triangle(x: Field, y: Field) -> Field:
    """An equilateral triangle that points up."""
    return np.maximum(y - 0.6, 0.866 * np.abs(x) - 0.5 * y - 0.5)


def star(x: Field, y: Field) -> Field:
    """A star with five points."""
    fifth = 2.0 * np.pi / 5.0
    angle = np.arctan2(x, -y)
    angle = np.abs(angle - fifth * np.rint(angle / fifth))
    radius = np.hypot(x, y)
    inner = 0.42
    normal_x, normal_y = inner * np.sin(fifth / 2), 1.0 - inner * np.cos(fifth / 2)
    length = np.hypot(normal_x, normal_y)
    distance: Field = ((radius * np.cos(angle) - 1.0) * normal_x + radius * np.sin(angle) * normal_y) / length
    return distance


def cross(x: Field, y: Field) -> Field:
    """A plus sign."""
    return np.minimum(_box(x, y, 0.28, 0.92), _box(x, y, 0.92, 0.28))


def ring(x: Field, y: Field) -> Field:
    """A disc with a hole."""
    return np.abs(np.hypot(x, y) - 0.68) - 0.2


def heart(x: Field, y: Field) -> Field:
    """A square on its tip with two half discs."""
    diagonal_x, diagonal_y = turned(x, y - 0.1, np.pi / 4)
    lobes = np.hypot(np.abs(x) - 0.41, y + 0.31) - 0.58
    return np.minimum(_box(diagonal_x, diagonal_y, 0.58, 0.58), lobes)


def crescent(x: Field, y: Field) -> Field:
    """A disc without a shifted disc."""
    return np.maximum(np.hypot(x, y) - 0.92, 0.75 - np.hypot(x - 0.45, y))


def arrow(x: Field, y: Field) -> Field:
    """An arrow that points right."""
    head = np.maximum(-x + 0.05, 0.75 * x + 0.66 * np.abs(y) - 0.7)
    return np.minimum(_box(x + 0.4, y, 0.55, 0.2), head)


def bar(x: Field, y: Field) -> Field:
    """A long rectangle."""
    return _box(x, y, 0.97, 0.24)


def hourglass(x: Field, y: Field) -> Field:
    """Two triangles that touch with their tips."""
    return np.maximum(np.abs(y) - 0.85, (np.abs(x) - 0.88 * np.abs(y) - 0.06) * 0.75)


def corner(x: Field, y: Field) -> Field:
    """The letter L."""
    return np.minimum(_box(x + 0.5, y, 0.26, 0.85), _box(x, y - 0.59, 0.76, 0.26))


SHAPES: Mapping[str, SignedDistance] = {
    shape.__name__: shape
    for shape in (circle, square, triangle, star, cross, ring, heart, crescent, arrow, bar, hourglass, corner)
}
