"""Blood smear phantoms: red cells around one cell of interest."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from scc_core.datasets.rendered.canvas import Field, add_grain, coverage, ellipse, filled, paint, smooth_noise, stamp

RED_CELL = np.array((0.86, 0.52, 0.52))
PLASMA = np.array((0.96, 0.92, 0.90))
NUCLEUS = np.array((0.42, 0.20, 0.58))
Point = npt.NDArray[np.float64]


def _red_cell(rng: np.random.Generator, image: Field, center: Point, radius: float) -> None:
    stamp(image, center, (radius, radius * rng.uniform(0.9, 1.0)), RED_CELL, rng.uniform(0.0, np.pi))
    stamp(image, center, (radius * 0.42, radius * 0.4), 0.5 * RED_CELL + 0.5 * PLASMA, softness=3.0)


def neutrophil(rng: np.random.Generator, image: Field, center: Point) -> None:
    """Paint a cell with three or four lobes of its nucleus."""
    stamp(image, center, (0.44, 0.42), (0.90, 0.82, 0.88))
    start, lobes = rng.uniform(0.0, 2.0 * np.pi), int(rng.integers(3, 5))
    for angle in start + np.arange(lobes) * rng.uniform(1.35, 1.6):
        stamp(image, center + 0.21 * np.array((np.cos(angle), np.sin(angle))), (0.14, 0.11), NUCLEUS, angle)


def eosinophil(rng: np.random.Generator, image: Field, center: Point) -> None:
    """Paint a cell with orange granules and two lobes of its nucleus."""
    stamp(image, center, (0.45, 0.43), (0.95, 0.72, 0.62))
    for offset in rng.uniform(-0.3, 0.3, (26, 2)):
        stamp(image, center + offset, (0.035, 0.035), (0.92, 0.42, 0.28))
    angle = rng.uniform(0.0, 2.0 * np.pi)
    for side in (-1.0, 1.0):
        stamp(
            image,
            center + side * 0.16 * np.array((np.cos(angle), np.sin(angle))),
            (0.15, 0.13),
            NUCLEUS,
            angle,
        )


def lymphocyte(rng: np.random.Generator, image: Field, center: Point) -> None:
    """Paint a cell that its nucleus nearly fills."""
    radius = rng.uniform(0.32, 0.37)
    stamp(image, center, (radius, radius), (0.70, 0.76, 0.92))
    stamp(image, center + rng.uniform(-0.03, 0.03, 2), (radius * 0.85, radius * 0.83), NUCLEUS * 0.9)


def monocyte(rng: np.random.Generator, image: Field, center: Point) -> None:
    """Paint a large cell with a nucleus in the shape of a kidney."""
    stamp(image, center, (rng.uniform(0.5, 0.55), 0.5), (0.76, 0.78, 0.88), rng.uniform(0.0, np.pi))
    angle = rng.uniform(0.0, 2.0 * np.pi)
    notch = center + 0.26 * np.array((np.cos(angle), np.sin(angle)))
    kidney = np.maximum(ellipse(center, (0.34, 0.32)), -ellipse(notch, (0.2, 0.2)))
    paint(image, coverage(kidney, 0.05), NUCLEUS * 1.15)


def platelets(rng: np.random.Generator, image: Field, center: Point) -> None:
    """Paint a cluster of small platelets."""
    for offset in rng.normal(0.0, 0.17, (int(rng.integers(9, 14)), 2)):
        size = rng.uniform(0.05, 0.075)
        stamp(image, center + offset, (size, size * 0.8), (0.62, 0.42, 0.70), rng.uniform(0.0, np.pi))


def malaria(rng: np.random.Generator, image: Field, center: Point) -> None:
    """Paint a red cell with a parasite in it."""
    _red_cell(rng, image, center, 0.38)
    stamp(image, center, (0.3, 0.3), RED_CELL)
    parasite = center + rng.uniform(-0.08, 0.08, 2)
    paint(image, coverage(np.abs(ellipse(parasite, (0.15, 0.13))) - 0.025, 0.04), NUCLEUS)
    stamp(image, parasite + np.array((0.14, 0.0)), (0.07, 0.06), NUCLEUS * 0.7)


CELLS: Mapping[str, Callable[[np.random.Generator, Field, Point], None]] = {
    "neutrophil": neutrophil,
    "eosinophil": eosinophil,
    "lymphocyte": lymphocyte,
    "monocyte": monocyte,
    "platelet cluster": platelets,
    "malaria-infected red cell": malaria,
}
FINDINGS = tuple(CELLS)


def render_blood_smear(rng: np.random.Generator, finding: str) -> Field:
    """Render a blood smear phantom as a ``(64, 64, 3)`` image in [0, 1]."""
    image = filled(PLASMA)
    start = rng.uniform(0.0, 2.0 * np.pi)
    for angle in start + np.arange(7) * (2.0 * np.pi / 7) + rng.uniform(-0.15, 0.15, 7):
        distance = rng.uniform(0.78, 0.98)
        center = distance * np.array((np.cos(angle), np.sin(angle)))
        _red_cell(rng, image, center, rng.uniform(0.2, 0.25))
    CELLS[finding](rng, image, rng.uniform(-0.15, 0.15, 2))
    image += 0.03 * smooth_noise(rng, 3)[..., None]
    image = image * rng.uniform(0.88, 1.02) + rng.uniform(-0.03, 0.03, 3)
    add_grain(image, rng, rng.uniform(0.01, 0.025))
    return image
