"""Histology phantoms: textures in the colours of haematoxylin and eosin, one tissue per image."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from scc_core.datasets.rendered.canvas import (
    Field,
    X,
    Y,
    add_grain,
    coverage,
    filled,
    paint,
    smooth_noise,
    stamp,
    turned,
)

EOSIN = np.array((0.93, 0.66, 0.80))
HAEMATOXYLIN = np.array((0.38, 0.20, 0.55))
EMPTY = np.array((0.97, 0.95, 0.96))


def _nuclei(rng: np.random.Generator, image: Field, count: int, radius: float, stretch: float) -> None:
    """Paint dark nuclei, spread over a jittered grid so that they rarely hide each other."""
    side = int(np.ceil(np.sqrt(count)))
    for cell in rng.permutation(side * side)[:count]:
        row, column = divmod(int(cell), side)
        center = (np.array((column, row)) + rng.uniform(0.1, 0.9, 2)) * (2.0 / side) - 1.0
        size = radius * rng.uniform(0.8, 1.25)
        tint = HAEMATOXYLIN + rng.uniform(-0.06, 0.06)
        stamp(image, center, (size * stretch, size), tint, rng.uniform(0.0, np.pi))


def adipose(rng: np.random.Generator) -> Field:
    """Render fat: empty cells with thin walls."""
    side = int(rng.integers(3, 5))
    rows, columns = np.divmod(np.arange((side + 2) ** 2), side + 2)
    jitter = rng.uniform(0.2, 0.8, (2, len(rows)))
    center_x = (columns - 1 + jitter[0]) * (2.0 / side) - 1.0
    center_y = (rows - 1 + jitter[1]) * (2.0 / side) - 1.0
    squared = (X[..., None] - center_x) ** 2 + (Y[..., None] - center_y) ** 2
    nearest = np.sqrt(np.partition(squared, 1, axis=-1)[..., :2])
    image = filled(EMPTY)
    paint(image, coverage(nearest[..., 1] - nearest[..., 0] - 0.09, 0.07), EOSIN * 0.93)
    return image


def tumor(rng: np.random.Generator) -> Field:
    """Render a tumour: large nuclei, close together."""
    image = filled(0.55 * EOSIN + 0.45 * np.array((0.7, 0.5, 0.75)))
    image += 0.05 * smooth_noise(rng, 8)[..., None]
    _nuclei(rng, image, int(rng.integers(20, 28)), 0.13, 1.35)
    return image


def glands(rng: np.random.Generator) -> Field:
    """Render three or four round glands with a ring of nuclei."""
    image = filled(EOSIN)
    for corner in rng.permutation(4)[: int(rng.integers(3, 5))]:
        center = np.array((-0.5, -0.5)) + np.array(divmod(int(corner), 2)) + rng.uniform(-0.08, 0.08, 2)
        radius = rng.uniform(0.32, 0.42)
        stamp(image, center, (radius, radius * 0.9), EOSIN * 0.88)
        stamp(image, center, (radius * 0.5, radius * 0.45), EMPTY)
        for angle in np.linspace(0.0, 2.0 * np.pi, 11)[:-1] + rng.uniform(0.0, 0.6):
            offset = 0.82 * radius * np.array((np.cos(angle), 0.9 * np.sin(angle)))
            stamp(image, center + offset, (0.07, 0.05), HAEMATOXYLIN, angle)
    return image


def stroma(rng: np.random.Generator) -> Field:
    """Render stroma: wavy fibres with a few thin nuclei."""
    x, y = turned(X, Y, rng.uniform(0.0, np.pi))
    waves = np.sin(rng.uniform(18.0, 26.0) * (y + 0.1 * np.sin(4.0 * x + rng.uniform(0.0, 6.0))) + smooth_noise(rng, 5))
    image = filled(EOSIN) + 0.09 * waves[..., None]
    _nuclei(rng, image, int(rng.integers(5, 9)), 0.045, 3.2)
    return image


def immune(rng: np.random.Generator) -> Field:
    """Render immune cells: many small round nuclei."""
    image = filled(0.8 * EOSIN + 0.2 * EMPTY)
    _nuclei(rng, image, int(rng.integers(46, 60)), 0.075, 1.0)
    return image


def debris(rng: np.random.Generator) -> Field:
    """Render debris: clumps without cells, and fragments of nuclei."""
    clumps = coverage(0.15 - smooth_noise(rng, 9) - 0.5 * smooth_noise(rng, 20), 0.5)
    image = filled(EMPTY * 0.97)
    paint(image, clumps, 0.6 * EOSIN + 0.4 * np.array((0.75, 0.6, 0.62)))
    _nuclei(rng, image, int(rng.integers(10, 18)), 0.028, 1.0)
    return image


TISSUES: Mapping[str, Callable[[np.random.Generator], Field]] = {
    "adipose tissue": adipose,
    "tumor epithelium": tumor,
    "normal mucosal glands": glands,
    "fibrous stroma": stroma,
    "immune cells": immune,
    "necrotic debris": debris,
}
FINDINGS = tuple(TISSUES)


def render_histology(rng: np.random.Generator, finding: str) -> Field:
    """Render a histology phantom as a ``(64, 64, 3)`` image in [0, 1]."""
    image = TISSUES[finding](rng)
    image = image * rng.uniform(0.9, 1.03) + rng.uniform(-0.03, 0.03, 3)
    add_grain(image, rng, rng.uniform(0.01, 0.03))
    return image
