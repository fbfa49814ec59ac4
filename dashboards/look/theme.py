"""What all figures share: fonts, grid, margins, axes, interval bars, hover texts."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from dashboards.look.deck import Figure
from dashboards.look.palette import DefenseStyle
from dashboards.look.words import DEMONSTRATION, count, coverage, epsilon, interval, percent, rate

Row = Mapping[str, Any]
"""One pooled or averaged row, as ``polars.DataFrame.iter_rows(named=True)`` gives it."""

FONT = 'Inter, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", Arial, sans-serif'
_LEAST_TICK_DISTANCE = 0.045
_WATERMARK = {
    "text": DEMONSTRATION,
    "xref": "paper",
    "yref": "paper",
    "x": 1,
    "y": 1,
    "xanchor": "right",
    "yanchor": "bottom",
    "showarrow": False,
    "name": "demonstration",
    "font": {"size": 11, "color": "var(--demo)"},
}


def plain(text: str) -> str:
    """Escape a name for Plotly, which reads a small part of HTML in every text."""
    return html.escape(text, quote=False)


def figure(data: list[dict[str, Any]], *, demonstration: bool, height: int, **layout: Any) -> Figure:
    """Put traces into the common layout; ``layout`` adds to it or overrides it."""
    common: dict[str, Any] = {
        "height": height,
        "autosize": True,
        "showlegend": False,
        "hovermode": "closest",
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": 12.5, "color": "var(--ink-2)"},
        "margin": {"l": 54, "r": 14, "t": 22, "b": 52},
        "hoverlabel": {
            "bgcolor": "var(--surface)",
            "bordercolor": "var(--line-2)",
            "font": {"family": FONT, "size": 12.5, "color": "var(--ink)"},
            "align": "left",
            "namelength": -1,
        },
        "annotations": [*layout.pop("annotations", []), *([_WATERMARK] if demonstration else [])],
    }
    return {"data": data, "layout": {**common, **layout}}


def axis(title: str, **more: Any) -> dict[str, Any]:
    """Return an axis with a title, a hairline and a quiet grid."""
    return {
        "title": {"text": title, "standoff": 10, "font": {"size": 12.5, "color": "var(--ink-2)"}},
        "gridcolor": "var(--grid)",
        "linecolor": "var(--line-2)",
        "tickcolor": "var(--line-2)",
        "tickfont": {"size": 12, "color": "var(--ink-2)"},
        "showline": True,
        "zeroline": False,
        "ticks": "outside",
        "ticklen": 4,
        **more,
    }


def accuracy_axis(title: str, **more: Any) -> dict[str, Any]:
    """Return an axis from 0 to 100 % with room for markers at both ends."""
    return axis(title, **{"range": [-2.5, 102.5], "tickvals": [0, 20, 40, 60, 80, 100], **more})


def epsilon_axis(values: Sequence[float], norm: str) -> dict[str, Any]:
    """Return a linear axis with a tick at every epsilon that has room for one: in 1/255 for L-inf, else in L2."""
    width = (max(values) - min(values)) or 1.0
    ticks: list[float] = []
    for value in sorted(values):
        if not ticks or value - ticks[-1] >= _LEAST_TICK_DISTANCE * width:
            ticks.append(value)
    labels = [f"{tick:g}" for tick in ticks]
    padding = 0.06 * width
    span = [min(values) - padding, max(values) + padding]
    unit = "1/255" if norm == "linf" else norm.upper()
    return axis(f"Perturbation budget ε ({unit})", tickvals=ticks, ticktext=labels, range=span, showgrid=False)


def interval_bars(rows: Sequence[Row], style: DefenseStyle, prefix: str = "accuracy") -> dict[str, Any]:
    """Return Plotly's error bars, in percent, for the interval columns of ``prefix``."""
    above = [100 * max(0.0, row[f"{prefix}_high"] - row[prefix]) for row in rows]
    below = [100 * max(0.0, row[prefix] - row[f"{prefix}_low"]) for row in rows]
    bars = {"type": "data", "symmetric": False, "array": above, "arrayminus": below}
    return {**bars, "color": style.soft_color, "thickness": 1.5 if style.control else 2, "width": 0}


def marker(style: DefenseStyle) -> dict[str, Any]:
    """Return the marker of a defense: hollow for controls, outlined by the page's colour otherwise."""
    edge = style.color if style.control else "var(--surface)"
    line = {"color": edge, "width": 1.8 if style.control else 1}
    return {"symbol": style.marker_symbol, "size": style.marker_size, "color": style.color, "line": line}


def hover(row: Row, *heading: str) -> str:
    """Write everything that was measured behind one mark; ``heading`` is shown first, in bold."""
    lines = [f"<b>{plain(' · '.join(heading))}</b>", *measurement_lines(row)]
    return "<br>".join(lines)


def measurement_lines(row: Row) -> list[str]:
    """Return the lines of a hover text that come from the counts of one row."""
    lines = [
        f"accuracy {percent(row['accuracy'], 2)} %",
        f"95 % interval {interval(row['accuracy_low'], row['accuracy_high'], 2)} %",
        f"{count(row['correct'])} of {count(row['samples'])} predictions correct",
        coverage(row),
        f"{rate(row['samples'], row['seconds'])} images per second",
    ]
    if row.get("seed_deviation") is not None:
        lines.insert(2, f"standard deviation over seeds {percent(row['seed_deviation'], 2)} points")
    return lines


NUMBERS_HEADER = ("Defense", "ε", "Accuracy (%)", "95 % interval (%)", "Correct / samples", "Images / s")


def numbers_row(row: Row) -> tuple[str, ...]:
    """Return one row for a table with :data:`NUMBERS_HEADER`."""
    return (
        row["defense"],
        epsilon(row["epsilon_255"], row["norm"]),
        percent(row["accuracy"], 2),
        interval(row["accuracy_low"], row["accuracy_high"], 2),
        f"{count(row['correct'])} / {count(row['samples'])}",
        rate(row["samples"], row["seconds"]),
    )
