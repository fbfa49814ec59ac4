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
    names = {group for state in states for panel in state.panels for group in _groups(panel)}
    return Deck(
        key=f"tradeoff-{threat_model}",
        heading=study.title(threat_model),
        meaning=study.meaning(threat_model),
        reading=READING,
        caution=CAUTION,
        states=states,
        legend=study.palette.ordered(names),
        start=_start(states),
    )


def _start(states: Sequence[State]) -> int:
    attack = states[0].facets["Attack"]
    return sum(state.facets["Attack"] == attack for state in states) // 2


def _groups(panel: Panel) -> Iterator[str]:
    yield from (trace["legendgroup"] for trace in panel.figure["data"])


def _states(study: Study, threat_model: str, attack: str) -> Iterator[State]:
    rows = study.panel(threat_model, attack).filter(pl.col("accuracy").is_not_null())
    for value in sorted(set(rows["epsilon_255"]) - {0.0}):
        at_value = rows.filter(pl.col("epsilon_255").is_in([0.0, value]))
        found = [(model, _complete(at_value.filter(pl.col("model") == model))) for model in study.models]
        pairs = [(model, each, _pairs(each, value)) for model, each in found if each.datasets]
        pairs = [(model, each, points) for model, each, points in pairs if points]
        if pairs:
            limits = _limits([point for _, _, points in pairs for point in points])
            panels = tuple(_panel(study, model, each, points, limits) for model, each, points in pairs)
            yield State({"Attack": attack, "Epsilon": epsilon(value)}, panels)


def _complete(rows: pl.DataFrame) -> Comparable:
    both = rows.filter((pl.col("epsilon_255").n_unique() == 2).over("dataset", "defense"))
    return comparable(both)


def _pairs(found: Comparable, value: float) -> list[dict[str, Any]]:
    averages = macro_mean(found.rows)
    clean = averages.filter(pl.col("epsilon_255") == 0)
    robust = averages.filter(pl.col("epsilon_255") == value)
    return robust.join(clean, on=["model", "defense"], suffix="_clean").to_dicts()


def _limits(points: Sequence[Row]) -> dict[str, list[float]]:
    clean_low = min(point["accuracy_low_clean"] for point in points)
    clean_high = max(point["accuracy_high_clean"] for point in points)
    robust_high = max(point["accuracy_high"] for point in points)
    padding = 4.0
    return {
        "x": [max(-2.5, 100 * clean_low - padding), min(102.5, 100 * clean_high + padding)],
        "y": [-2.5, min(102.5, 100 * robust_high + 2 * padding)],
    }


def _panel(
    study: Study, model: str, found: Comparable, points: Sequence[dict[str, Any]], limits: dict[str, list[float]]
) -> Panel:
    by_name = {point["defense"]: _renamed(point) for point in points}
    styles = study.palette.ordered(by_name)
    demonstration = study.is_demonstration(model)
    origin = by_name.get(NO_DEFENSE)
    arrows = [_arrow(origin, by_name[style.name], style) for style in styles if origin and style.name != NO_DEFENSE]
    value = epsilon(points[0]["epsilon_255"])
    return Panel(
        title=model,
        description=f"Robust accuracy at {value} against clean accuracy of {model} under {listing(list(by_name), 12)}.",
        figure=figure(
            [*arrows, *(_point(by_name[style.name], style) for style in styles)],
            demonstration=demonstration,
            height=430,
            xaxis=axis("Clean accuracy (%)", range=limits["x"], nticks=7),
            yaxis=axis(f"Robust accuracy at ε = {value} (%)", range=limits["y"], nticks=8),
        ),
        caption=captions.averaged(found, demonstration=demonstration),
        numbers=Numbers(_HEADER, [_numbers(by_name[style.name]) for style in styles]),
        demonstration=demonstration,
        family=study.family(model),
    )


def _renamed(point: dict[str, Any]) -> dict[str, Any]:
    clean = {
        name: point[f"accuracy{name.removeprefix('clean')}_clean"] for name in ("clean", "clean_low", "clean_high")
    }
    return {**point, **clean}


def _point(point: Row, style: DefenseStyle) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": plain(style.name),
        "legendgroup": style.name,
        "x": [100 * point["clean"]],
        "y": [100 * point["accuracy"]],
        "error_x": interval_bars([point], style, "clean"),
        "error_y": interval_bars([point], style),
        "marker": marker(style),
        "hovertext": [_hover(point, style)],
        "hoverinfo": "text",
    }


def _arrow(origin: Row, point: Row, style: DefenseStyle) -> dict[str, Any]:
    distance = abs(point["clean"] - origin["clean"]) + abs(point["accuracy"] - origin["accuracy"])
    visible_head = 9 if distance > 0.02 else 0
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": plain(style.name),
        "legendgroup": style.name,
        "showlegend": False,
        "x": [100 * origin["clean"], 100 * point["clean"]],
        "y": [100 * origin["accuracy"], 100 * point["accuracy"]],
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


def _hover(point: Row, style: DefenseStyle) -> str:
    return "<br>".join(
        [
            f"<b>{plain(style.name)} · ε = {epsilon(point['epsilon_255'])}</b>",
            *measurement_lines(point),
            "<b>clean</b>",
            f"accuracy {percent(point['clean'], 2)} %",
            f"95 % interval {interval(point['clean_low'], point['clean_high'], 2)} %",
            f"{count(point['correct_clean'])} of {count(point['samples_clean'])} predictions correct",
        ]
    )


def _numbers(point: Row) -> tuple[str, ...]:
    return (
        point["defense"],
        percent(point["clean"], 2),
        interval(point["clean_low"], point["clean_high"], 2),
        percent(point["accuracy"], 2),
        interval(point["accuracy_low"], point["accuracy_high"], 2),
        f"{count(point['correct'])} / {count(point['samples'])}",
        rate(point["samples"], point["seconds"]),
    )
