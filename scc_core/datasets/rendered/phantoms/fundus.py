"""Fundus phantoms: optic disc, cup, vessels and macula in a round field of view."""

from __future__ import annotations

import numpy as np

from scc_core.datasets.rendered.canvas import (
    Field,
    X,
    Y,
    add_grain,
    coverage,
    ellipse,
    filled,
    paint,
    smooth_noise,
    stamp,
)

FINDINGS = ("healthy retina", "glaucoma", "diabetic retinopathy", "macular degeneration")


def _vessels(rng: np.random.Generator, image: Field, disc_x: float, side: float) -> None:
    """Paint four dark arcs that leave the disc towards the macula and away from it."""
    along = side * (disc_x - X) * -1.0
    for direction in (-1.0, 1.0):
        bend = rng.uniform(0.5, 0.62)
        arc = np.abs(Y - direction * bend * np.sqrt(np.clip(along, 0.0, None) + 0.003))
        paint(image, 0.75 * coverage(arc - 0.03, 0.04) * (along > 0), (0.45, 0.08, 0.05))
        nasal = np.abs(Y - direction * 1.1 * np.clip(-along, 0.0, None) ** 0.8)
        paint(image, 0.75 * coverage(nasal - 0.025, 0.04) * (along < 0), (0.45, 0.08, 0.05))


def _retinopathy(rng: np.random.Generator, image: Field) -> None:
    """Paint small dark bleedings and bright exudates."""
    for _ in range(int(rng.integers(9, 15))):
        size = rng.uniform(0.035, 0.06)
        stamp(image, rng.uniform(-0.6, 0.6, 2), (size, size), (0.35, 0.02, 0.02))
    for _ in range(int(rng.integers(4, 8))):
        size = rng.uniform(0.03, 0.05)
        stamp(
            image,
            rng.uniform(-0.55, 0.55, 2),
            (size * 1.4, size),
            (0.98, 0.92, 0.55),
            rng.uniform(0.0, np.pi),
        )


def render_fundus(rng: np.random.Generator, finding: str) -> Field:
    """Render a fundus phantom as a ``(64, 64, 3)`` image in [0, 1]."""
    side = 1.0 if rng.random() < 0.5 else -1.0
    disc_x, macula = (
        -side * rng.uniform(0.42, 0.5),
        (side * rng.uniform(0.15, 0.22), rng.uniform(-0.05, 0.05)),
    )
    image = filled(np.array((0.80, 0.36, 0.16)) + rng.uniform(-0.05, 0.05, 3))
    image += 0.04 * smooth_noise(rng, 6)[..., None] - 0.12 * (X * X + Y * Y)[..., None]
    paint(image, 0.5 * np.exp(-(((X - macula[0]) ** 2 + (Y - macula[1]) ** 2) / 0.04)), (0.45, 0.14, 0.06))
    _vessels(rng, image, disc_x, side)
    cup_share = rng.uniform(0.76, 0.86) if finding == "glaucoma" else rng.uniform(0.28, 0.4)
    radius = rng.uniform(0.22, 0.26)
    center = (disc_x, rng.uniform(-0.04, 0.04))
    stamp(image, center, (radius * 0.92, radius), (0.95, 0.70, 0.35), softness=2.0)
    stamp(image, center, (radius * cup_share * 0.92, radius * cup_share), (1.0, 0.96, 0.82))
    if finding == "diabetic retinopathy":
        _retinopathy(rng, image)
    elif finding == "macular degeneration":
        for offset in rng.normal(0.0, 0.15, (int(rng.integers(14, 20)), 2)):
            size = rng.uniform(0.04, 0.065)
            stamp(image, np.asarray(macula) + offset, (size, size), (0.96, 0.80, 0.42))
    image = image * rng.uniform(0.9, 1.08) * coverage(ellipse((0.0, 0.0), (0.94, 0.94)), 0.05)[..., None]
    add_grain(image, rng, rng.uniform(0.008, 0.02))
    return image
