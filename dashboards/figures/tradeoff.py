"""Robust accuracy against clean accuracy, with arrows from the undefended model to each defense."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from dashboards.analysis.aggregate import macro_mean
from dashboards.analysis.comparable import Comparable, comparable
from dashboards.analysis.study import Study
from dashboards.figures import captions
from dashboards.look.deck import Deck, Numbers, Panel, State
from dashboards.look.palette import DefenseStyle
from dashboards.look.theme import Row, axis, figure, interval_bars, marker, measurement_lines, plain
from dashboards.look.words import count, epsilon, interval, listing, percent, rate
from orchestrator.grid.cell import NO_DEFENSE

READING = (
    "Up is more robust, right is more accurate on clean images. An arrow leads from the undefended model to each "
    "defense: straight up costs nothing on clean images, to the left is the price. Bars are 95 % intervals on "
    "both axes; hollow marks and dashed arrows are controls. All panels have the same axes."
)
CAUTION = (
    "A defense whose bars overlap those of a control has not been shown to do more than the control. Panels of "
    "different models may stand for different datasets: compare models on the side-by-side page."
)
_PADDING = 4.0
"""Room beside the outermost intervals, in points."""
_HEADER = (
    "Defense",
    "Clean (%)",
    "95 % interval (%)",
    "Robust (%)",
    "95 % interval (%)",
    "Correct / samples",
    "Images / s",
)


def deck(study: Study, threat_model: str) -> Deck | None:
    """Draw robust against clean accuracy for one threat model: a panel per model, a state per attack and epsilon."""
    states = [state for attack in study.attacks(threat_model) for state in _states(study, threat_model, attack)]
    if not states:
        return None
    panels = [panel for state in states for panel in state.panels]
    first = states[0].facets["Attack"]
    return Deck(
        key=f"tradeoff-{threat_model}",
        heading=study.title(threat_model),
        meaning=study.meaning(threat_model),
        reading=READING,
        caution=CAUTION,
        states=states,
        legend=study.palette.ordered({trace["legendgroup"] for panel in panels for trace in panel.figure["data"]}),
        start=sum(state.facets["Attack"] == first for state in states) // 2,
    )


def _states(study: Study, threat_model: str, attack: str) -> Iterator[State]:
    rows = study.panel(threat_model, attack).filter(pl.col("accuracy").is_not_null())
    for value in sorted(set(rows["epsilon_255"]) - {0.0}):
        at_value = rows.filter(pl.col("epsilon_255").is_in([0.0, value]))
        both = at_value.filter((pl.col("epsilon_255").n_unique() == 2).over("model", "dataset", "defense"))
        found = [(model, comparable(both.filter(pl.col("model") == model))) for model in study.models]
        drawn = [(model, each, points(each, value)) for model, each in found if each.datasets]
        drawn = [(model, each, marks) for model, each, marks in drawn if marks]
        if drawn:
            every = [mark for _, _, marks in drawn for mark in marks]
            low, high = min(mark["clean_low"] for mark in every), max(mark["clean_high"] for mark in every)
            limits = {
                "x": [max(-2.5, 100 * low - _PADDING), min(102.5, 100 * high + _PADDING)],
                "y": [-2.5, min(102.5, 100 * max(mark["accuracy_high"] for mark in every) + 2 * _PADDING)],
            }
            panels = tuple(panel(study, model, each, marks, limits) for model, each, marks in drawn)
            yield State({"Attack": attack, "Epsilon": epsilon(value, rows["norm"][0])}, panels)


def points(found: Comparable, value: float) -> list[dict[str, Any]]:
    """Return the means at one epsilon, each with the clean one as ``clean``, ``clean_low`` and ``clean_high``."""
    averages = macro_mean(found.rows)
    clean = averages.filter(pl.col("epsilon_255") == 0)
    robust = averages.filter(pl.col("epsilon_255") == value)
    joined = robust.join(clean, on=["model", "defense"], suffix="_clean")
    return joined.rename({f"accuracy{end}_clean": f"clean{end}" for end in ("", "_low", "_high")}).to_dicts()


def panel(study: Study, model: str, found: Comparable, marks: Sequence[Row], limits: dict[str, list[float]]) -> Panel:
    """Draw the points of one model, and an arrow to each from the undefended one."""
    by_name = {mark["defense"]: mark for mark in marks}
    styles = study.palette.ordered(by_name)
    demonstration = study.is_demonstration(model)
    origin = by_name.get(NO_DEFENSE)
    arrows = [arrow(origin, by_name[style.name], style) for style in styles if origin and not style.undefended]
    value = epsilon(marks[0]["epsilon_255"], marks[0]["norm"])
    return Panel(
        title=model,
        description=f"Robust accuracy at {value} against clean accuracy of {model} under {listing(list(by_name), 12)}.",
        figure=figure(
            [*arrows, *(point(by_name[style.name], style) for style in styles)],
            demonstration=demonstration,
            height=430,
            xaxis=axis("Clean accuracy (%)", range=limits["x"], nticks=7),
            yaxis=axis(f"Robust accuracy at ε = {value} (%)", range=limits["y"], nticks=8),
        ),
        caption=captions.averaged(found, demonstration=demonstration),
        numbers=Numbers(_HEADER, [numbers(by_name[style.name]) for style in styles]),
        demonstration=demonstration,
        family=study.family(model),
    )


def point(mark: Row, style: DefenseStyle) -> dict[str, Any]:
    """Return the trace of one point, with its intervals."""
    told = [
        f"<b>{plain(style.name)} · ε = {epsilon(mark['epsilon_255'], mark['norm'])}</b>",
        *measurement_lines(mark),
        "<b>clean</b>",
        f"accuracy {percent(mark['clean'], 2)} %",
        f"95 % interval {interval(mark['clean_low'], mark['clean_high'], 2)} %",
        f"{count(mark['correct_clean'])} of {count(mark['samples_clean'])} predictions correct",
    ]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": plain(style.name),
        "legendgroup": style.name,
        "x": [100 * mark["clean"]],
        "y": [100 * mark["accuracy"]],
        "error_x": interval_bars([mark], style, "clean"),
        "error_y": interval_bars([mark], style),
        "marker": marker(style),
        "hovertext": ["<br>".join(told)],
        "hoverinfo": "text",
    }


def arrow(origin: Row, mark: Row, style: DefenseStyle) -> dict[str, Any]:
    """Return the trace of the arrow from the undefended model to a defense."""
    distance = abs(mark["clean"] - origin["clean"]) + abs(mark["accuracy"] - origin["accuracy"])
    visible_head = 9 if distance > 0.02 else 0
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": plain(style.name),
        "legendgroup": style.name,
        "showlegend": False,
        "x": [100 * origin["clean"], 100 * mark["clean"]],
        "y": [100 * origin["accuracy"], 100 * mark["accuracy"]],
        "line": {"color": style.soft_color, "width": style.line_width, "dash": style.dash},
        "marker": {
            "symbol": ["circle", "arrow"],
            "size": [0, visible_head],
            "angleref": "previous",
            "standoff": [0, 7],
            "color": style.color,
            "line": {"width": 0},
        },
        "hoverinfo": "skip",
    }


def numbers(mark: Row) -> tuple[str, ...]:
    """Return one row of the figure's table."""
    return (
        mark["defense"],
        percent(mark["clean"], 2),
        interval(mark["clean_low"], mark["clean_high"], 2),
        percent(mark["accuracy"], 2),
        interval(mark["accuracy_low"], mark["accuracy_high"], 2),
        f"{count(mark['correct'])} / {count(mark['samples'])}",
        rate(mark["samples"], mark["seconds"]),
    )
