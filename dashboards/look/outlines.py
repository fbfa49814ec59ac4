"""Outlines of the marks for the swatches of legends and tables: what Plotly draws in figures, as paths of SVG."""

from __future__ import annotations

from math import cos, pi, sin

CENTER_X, CENTER_Y = 15.0, 8.0
"""The middle of a swatch of 30 by 16 pixels."""

_POLYGONS = {
    "square": (4, pi / 4, 5.6),
    "diamond": (4, 0.0, 5.6),
    "triangle-up": (3, 0.0, 5.8),
    "triangle-down": (3, pi, 5.8),
    "pentagon": (5, 0.0, 5.4),
    "hexagon": (6, 0.0, 5.4),
}
"""Number of corners, turn and radius; a circle has many corners."""
_CROSS = [(-1.7, -5), (1.7, -5), (1.7, -1.7), (5, -1.7), (5, 1.7), (1.7, 1.7)]
_CROSS += [(-x, -y) for x, y in _CROSS]
_OUTLINES: dict[str, list[tuple[float, float]]] = {
    "cross": _CROSS,
    "x": [((x - y) * 0.72, (x + y) * 0.72) for x, y in _CROSS],
    "star": [((6, 2.6)[k % 2] * sin(pi * k / 5), -(6, 2.6)[k % 2] * cos(pi * k / 5)) for k in range(10)],
}


def outline(symbol: str) -> str:
    """Return the path of one of Plotly's filled symbols in the middle of a swatch."""
    corners, turn, radius = _POLYGONS.get(symbol, (24, 0.0, 4.6))
    angles = [turn + 2 * pi * corner / corners for corner in range(corners)]
    points = _OUTLINES.get(symbol) or [(radius * sin(angle), -radius * cos(angle)) for angle in angles]
    return "M" + "L".join(f"{CENTER_X + x:.2f},{CENTER_Y + y:.2f}" for x, y in points) + "Z"
