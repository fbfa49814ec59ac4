"""Chest X-ray phantoms: torso, lungs, ribs, spine, heart and diaphragm; one finding or none."""

from __future__ import annotations

import numpy as np

from scc_core.datasets.rendered.canvas import Field, X, Y, add_grain, coverage, ellipse, smooth_noise

FINDINGS = ("normal lungs", "pneumonia", "pleural effusion", "cardiomegaly", "lung nodule")


def _anatomy(rng: np.random.Generator, lungs: Field, heart_radius: float) -> Field:
    image = 0.04 + rng.uniform(0.5, 0.58) * coverage(ellipse((0.0, 0.25), (0.95, 1.3)), 0.12)
    image -= 0.36 * lungs
    ribs = np.sin(rng.uniform(15.0, 18.0) * (Y + 0.35 * X * X) + rng.uniform(0.0, 6.28))
    image += 0.06 * lungs * np.clip(ribs, 0.0, 1.0)
    image += 0.2 * coverage(np.abs(X) - 0.07, 0.08)
    heart = coverage(ellipse((0.14, 0.28), (heart_radius, heart_radius * 0.85), 0.4), 0.08)
    image += heart * (0.68 - image)
    return image + 0.25 * coverage(0.55 + 0.12 * np.cos(5.0 * X) - Y, 0.1)


def render_chest_xray(rng: np.random.Generator, finding: str) -> Field:
    """Render a chest X-ray phantom as a ``(64, 64, 3)`` image in [0, 1]."""
    width, height = rng.uniform(0.27, 0.32), rng.uniform(0.56, 0.66)
    gap, level = rng.uniform(0.38, 0.43), rng.uniform(-0.12, -0.02)
    left = coverage(ellipse((-gap, level), (width, height), 0.08), 0.08)
    right = coverage(ellipse((gap, level), (width, height), -0.08), 0.08)
    heart_radius = rng.uniform(0.44, 0.52) if finding == "cardiomegaly" else rng.uniform(0.24, 0.29)
    image = _anatomy(rng, left + right, heart_radius)
    side = 1.0 if rng.random() < 0.5 else -1.0
    if finding == "pneumonia":
        center = (side * rng.uniform(0.34, 0.48), rng.uniform(-0.35, 0.2))
        patch = np.exp(-((ellipse(center, (0.2, 0.2)) / 0.2 + 1.0) ** 2))
        image += (left + right) * patch * (0.33 + 0.16 * smooth_noise(rng, 12))
    elif finding == "pleural effusion":
        meniscus = rng.uniform(-0.05, 0.15) - 0.5 * (side * X - 0.4)
        image += (right if side > 0 else left) * coverage(meniscus - Y, 0.06) * (0.66 - image)
    elif finding == "lung nodule":
        center = (side * rng.uniform(0.34, 0.48), rng.uniform(-0.42, 0.12))
        size = rng.uniform(0.085, 0.12)
        image += 0.38 * coverage(ellipse(center, (size, size)), 0.07)
    picture = np.repeat(image[..., None], 3, axis=2) * rng.uniform(0.85, 1.1) + rng.uniform(-0.04, 0.04)
    add_grain(picture, rng, rng.uniform(0.01, 0.025))
    return picture
