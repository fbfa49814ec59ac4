"""Optical coherence tomography phantoms: bright and dark retinal layers with a foveal pit."""

from __future__ import annotations

import numpy as np

from scc_core.datasets.rendered.canvas import SIZE, Field, X, Y, add_grain, coverage, ellipse, smooth_noise

FINDINGS = ("normal macula", "drusen deposits", "macular edema", "choroidal neovascularization")


def _layers(rng: np.random.Generator, surface: Field, epithelium: Field) -> Field:
    """Return the brightness between the inner surface and the choroid below the pigment epithelium."""
    depth = (Y - surface) / np.maximum(epithelium - surface, 0.05)
    inside = coverage(surface - Y, 0.05) * coverage(Y - epithelium, 0.05)
    bands = 0.36 + 0.13 * np.cos(2.0 * np.pi * 2.5 * depth + rng.uniform(-0.3, 0.3))
    choroid = coverage(epithelium - Y, 0.05) * np.exp(-np.clip(Y - epithelium, 0.0, None) / 0.3)
    line = np.exp(-(((Y - epithelium) / 0.05) ** 2))
    return 0.05 + inside * bands + 0.38 * choroid + 0.5 * line


def render_oct(rng: np.random.Generator, finding: str) -> Field:
    """Render an OCT phantom as a ``(64, 64, 3)`` grey image in [0, 1]."""
    fovea = rng.uniform(-0.15, 0.15)
    base = rng.uniform(0.25, 0.4) + rng.uniform(-0.08, 0.08) * X + rng.uniform(-0.05, 0.08) * X * X
    thickness = rng.uniform(0.5, 0.58) + (0.16 if finding == "macular edema" else 0.0)
    pit = 0.0 if finding == "macular edema" else rng.uniform(0.22, 0.28)
    surface = base - thickness + pit * np.exp(-(((X - fovea) / 0.24) ** 2))
    epithelium = base
    if finding == "drusen deposits":
        relief = np.zeros((SIZE, SIZE))
        for place in np.linspace(-0.7, 0.7, int(rng.integers(4, 6))) + rng.uniform(-0.06, 0.06):
            relief += rng.uniform(0.09, 0.14) * np.exp(-(((X - place) / 0.09) ** 2))
        epithelium = base - relief
    image = _layers(rng, surface, epithelium)
    if finding == "macular edema":
        for offset in np.linspace(-0.3, 0.3, int(rng.integers(3, 5))) + rng.uniform(-0.05, 0.05):
            level = float(surface[0, np.clip(int((fovea + offset + 1.0) * 32), 0, 63)]) + rng.uniform(0.24, 0.32)
            cyst = coverage(ellipse((fovea + offset, level), (0.085, rng.uniform(0.1, 0.15))), 0.05)
            image += cyst * (0.04 - image)
    elif finding == "choroidal neovascularization":
        level = float(base.mean()) - 0.08
        membrane = coverage(ellipse((fovea + rng.uniform(-0.1, 0.1), level), (rng.uniform(0.3, 0.4), 0.17)), 0.1)
        image += membrane * (0.78 + 0.15 * smooth_noise(rng, 14) - image)
    image = image * (1.0 + 0.25 * rng.standard_normal((SIZE, SIZE))) * rng.uniform(0.9, 1.1)
    picture = np.repeat(image[..., None], 3, axis=2)
    add_grain(picture, rng, 0.015)
    return picture
