"""Scenes: one shape of one colour and pattern on a background; place, size, turn, light and grain vary."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from scc_core.datasets.rendered.canvas import X, Y, add_grain, coverage, paint, to_uint8, turned
from scc_core.datasets.rendered.shapes import SHAPES
from scc_core.datasets.rendered.textures import BACKGROUNDS, COLOURS, PATTERNS, pattern_mask, render_background

SHAPE_NAMES = tuple(SHAPES)
COLOUR_NAMES = tuple(COLOURS)


class Scene(NamedTuple):
    """What a scene shows, in words."""

    shape: str
    colour: str
    pattern: str
    background: str


def is_held_out(shape: str, colour: str) -> bool:
    """Say whether this pair never occurs in training: one fifth of the pairs, spread over all names."""
    return (SHAPE_NAMES.index(shape) + 2 * COLOUR_NAMES.index(colour)) % 5 == 0


def draw_scene(rng: np.random.Generator, *, shape: str | None = None, colour: str | None = None) -> Scene:
    """Draw what a scene shows; held-out pairs occur only when both ``shape`` and ``colour`` are given."""
    pattern = str(rng.choice(PATTERNS, p=(0.4, 0.2, 0.2, 0.2)))
    background = str(rng.choice(BACKGROUNDS))
    while True:
        candidate_shape = shape or SHAPE_NAMES[rng.integers(len(SHAPE_NAMES))]
        candidate_colour = colour or COLOUR_NAMES[rng.integers(len(COLOUR_NAMES))]
        if (shape and colour) or not is_held_out(candidate_shape, candidate_colour):
            return Scene(candidate_shape, candidate_colour, pattern, background)


def render_scene(rng: np.random.Generator, scene: Scene) -> npt.NDArray[np.uint8]:
    """Render a scene as ``(64, 64, 3)`` uint8."""
    image = render_background(rng, scene.background)
    scale = rng.uniform(0.5, 0.8)
    center = rng.uniform(-0.22, 0.22, 2)
    x, y = turned((X - center[0]) / scale, (Y - center[1]) / scale, rng.uniform(-0.5, 0.5))
    mirrored = -x if rng.random() < 0.5 else x
    inside = coverage(SHAPES[scene.shape](mirrored, y) * scale, 1.5 / 32)
    colour = np.asarray(COLOURS[scene.colour]) * rng.uniform(0.88, 1.05) + rng.uniform(-0.03, 0.03, 3)
    fill = colour * (1.0 - rng.uniform(0.4, 0.55) * pattern_mask(rng, scene.pattern)[..., None])
    paint(image, inside, fill)
    image *= 1.0 + rng.uniform(0.0, 0.12) * turned(X, Y, rng.uniform(0.0, 2.0 * np.pi))[0][..., None]
    add_grain(image, rng, rng.uniform(0.01, 0.03))
    return to_uint8(image)
