"""The legend of a page's figures: buttons that hide or show a defense, with its mark as inline SVG."""

from __future__ import annotations

import html
from collections.abc import Sequence
from math import cos, pi, sin

from dashboards.look.palette import DefenseStyle

_DASHES = {"solid": "", "dash": ' stroke-dasharray="4 3"', "dot": ' stroke-dasharray="1.5 2.5"'}
_CENTER_X, _CENTER_Y = 15.0, 8.0


def legend(styles: Sequence[DefenseStyle]) -> str:
    """Return a list of toggle buttons, one per defense; nothing for no defenses."""
    if not styles:
        return ""
    items = "".join(f"<li>{_button(style)}</li>" for style in styles)
    return f'<ul class="legend" aria-label="Defenses; press one to hide or show it">{items}</ul>'


def swatch(style: DefenseStyle) -> str:
    """Return a defense's line and mark as an inline SVG of 30 by 16 pixels."""
    fill = "var(--surface)" if style.control else style.color
    line = (
        f'<line x1="1" x2="29" y1="{_CENTER_Y}" y2="{_CENTER_Y}" stroke="{style.color}" '
        f'stroke-width="{style.line_width}"{_DASHES[style.dash]}/>'
    )
    mark = f'<path d="{_path(style.symbol)}" fill="{fill}" stroke="{style.color}" stroke-width="1.6"/>'
    return f'<svg class="swatch" width="30" height="16" viewBox="0 0 30 16" aria-hidden="true">{line}{mark}</svg>'


def _button(style: DefenseStyle) -> str:
    name = html.escape(style.name)
    note = f'<span class="note">{style.note}</span>' if style.note else ""
    return (
        f'<button type="button" aria-pressed="true" data-defense="{name}">'
        f"{swatch(style)}<span>{name}</span>{note}</button>"
    )


def _path(symbol: str) -> str:
    if symbol in _OUTLINES:
        return _outline(_OUTLINES[symbol])
    sides, turn, radius = _POLYGONS.get(symbol, (24, 0.0, 4.6))
    return _outline(
        [(radius * sin(turn + 2 * pi * k / sides), -radius * cos(turn + 2 * pi * k / sides)) for k in range(sides)]
    )


def _outline(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{_CENTER_X + x:.2f},{_CENTER_Y + y:.2f}" for x, y in points) + "Z"


_POLYGONS = {
    "square": (4, pi / 4, 5.6),
    "diamond": (4, 0.0, 5.6),
    "triangle-up": (3, 0.0, 5.8),
    "triangle-down": (3, pi, 5.8),
    "pentagon": (5, 0.0, 5.4),
    "hexagon": (6, 0.0, 5.4),
}
_CROSS = [(-1.7, -5), (1.7, -5), (1.7, -1.7), (5, -1.7), (5, 1.7), (1.7, 1.7)]
_CROSS += [(-x, -y) for x, y in _CROSS]
_OUTLINES: dict[str, list[tuple[float, float]]] = {
    "cross": _CROSS,
    "x": [((x - y) * 0.72, (x + y) * 0.72) for x, y in _CROSS],
    "star": [((6, 2.6)[k % 2] * sin(pi * k / 5), -(6, 2.6)[k % 2] * cos(pi * k / 5)) for k in range(10)],
}
