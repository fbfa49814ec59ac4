"""Colours, fill patterns of a shape and dark backgrounds behind it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from scc_core.datasets.rendered.canvas import Field, X, Y, coverage, filled, smooth_noise, turned

COLOURS: Mapping[str, tuple[float, float, float]] = {
    "red": (0.90, 0.10, 0.10),
    "orange": (1.00, 0.55, 0.05),
    "yellow": (0.97, 0.92, 0.15),
    "green": (0.15, 0.75, 0.20),
    "cyan": (0.20, 0.90, 0.90),
    "blue": (0.20, 0.30, 0.98),
    "purple": (0.58, 0.18, 0.80),
    "pink": (1.00, 0.60, 0.80),
    "brown": (0.56, 0.34, 0.14),
    "white": (0.96, 0.96, 0.96),
}
PATTERNS = ("solid", "striped", "dotted", "checkered")
BACKGROUNDS = ("plain", "lined", "tiled", "cloudy", "shaded")


def _stripes(phase: float, frequency: float, angle: float) -> Field:
    x, _ = turned(X, Y, angle)
    return coverage(np.sin(frequency * x + phase), 0.6)


def _checks(phase: float, frequency: float, angle: float) -> Field:
    x, y = turned(X, Y, angle)
    return coverage(np.sin(frequency * x + phase) * np.sin(frequency * y + phase), 0.6)


def pattern_mask(rng: np.random.Generator, pattern: str) -> Field:
    """Return the ``(64, 64)`` part of a fill, in [0, 1], that is painted darker."""
    phase, angle = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(-0.6, 0.6)
    if pattern == "striped":
        return _stripes(phase, rng.uniform(20.0, 28.0), angle)
    if pattern == "dotted":
        frequency = rng.uniform(17.0, 21.0)
        x, y = turned(X, Y, angle)
        return coverage(0.45 - np.sin(frequency * x + phase) * np.sin(frequency * y + phase), 0.4)
    if pattern == "checkered":
        return _checks(phase, rng.uniform(13.0, 18.0), angle)
    return np.zeros_like(X)


def _background_relief(rng: np.random.Generator, background: str) -> Field:
    phase, angle = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(-0.8, 0.8)
    if background == "lined":
        return 2.0 * _stripes(phase, rng.uniform(10.0, 16.0), angle) - 1.0
    if background == "tiled":
        return 2.0 * _checks(phase, rng.uniform(7.0, 11.0), angle) - 1.0
    if background == "cloudy":
        return 1.5 * smooth_noise(rng, 7)
    if background == "shaded":
        return 1.5 * turned(X, Y, rng.uniform(0.0, 2.0 * np.pi))[0]
    return np.zeros_like(X)


def render_background(rng: np.random.Generator, background: str) -> Field:
    """Return a dark, nearly grey ``(64, 64, 3)`` image, so that what is drawn on it is always lighter."""
    base = filled(rng.uniform(0.08, 0.24) + rng.uniform(-0.03, 0.03, 3))
    return base + rng.uniform(0.05, 0.09) * _background_relief(rng, background)[..., None]
