"""Accuracy by dataset and defense, as a heat map."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import polars as pl

from dashboards.analysis.aggregate import macro_mean
from dashboards.analysis.comparable import comparable
from dashboards.analysis.study import Study
from dashboards.figures import captions
from dashboards.look.deck import Deck, Numbers, Panel, State
from dashboards.look.theme import NUMBERS_HEADER, Row, axis, figure, hover, numbers_row, plain
from dashboards.look.words import amount, epsilon, listing, shortened
from orchestrator.grid.cell import CLEAN, NO_DEFENSE, TRANSFER

ACCURACY, GAIN = "accuracy (%)", "gain over undefended (points)"
MEAN = "mean"
READING = (
    "Rows are datasets, columns are defenses, controls last and in italics. The last row is the mean over the "
    "datasets that all defenses of the panel have. A dash marks a cell that is not measured yet, a cross one that "
    "failed. Gains are in percentage points."
)
CAUTION = (
    "A number of two digits hides its interval: it is in the hover text and in the numbers below. Small "
    "differences between two cells are mostly chance where a dataset has few images."
)
_SEQUENTIAL = [[step / 4, f"var(--heat-{step})"] for step in range(5)]
_DIVERGING = [
    [0, "var(--gain-0)"],
    [0.25, "var(--gain-1)"],
    [0.5, "var(--gain-2)"],
    [0.75, "var(--gain-3)"],
    [1, "var(--gain-4)"],
]

_INK_LIMITS = (0.62, 0.76)
"""Where the text on a shade changes from dark to light, on a dark and on a light page."""
_MEAN_GAP = 0.3
_GAIN_LIMIT = 60
"""Gains beyond so many points have the strongest shade; the same in all panels, so that shades compare."""

Key = tuple[str, str]
Value = Callable[[Row | None], float | None]


def deck(study: Study, threat_model: str) -> Deck | None:
    """Draw heat maps for one threat model: a state per model, attack, epsilon and quantity."""
    states = [state for model in study.models for state in _states(study, threat_model, model)]
    if not states:
        return None
    return Deck(
        key=f"heatmap-{threat_model}",
        heading=study.title(threat_model),
        meaning=study.meaning(threat_model),
        reading=READING,
        caution=CAUTION,
        states=states,
        start=_start(states),
        wide=True,
    )


def _start(states: Sequence[State]) -> int:
    attacked = [index for index, state in enumerate(states) if state.facets["Epsilon"] != epsilon(0)]
    return attacked[0] if attacked else 0


def _states(study: Study, threat_model: str, model: str) -> Iterator[State]:
    for attack in study.attacks(threat_model):
        rows = study.panel(threat_model, attack).filter(pl.col("model") == model)
        for value in sorted(rows["epsilon_255"].unique()):
            if value or threat_model == TRANSFER:
                facets = {"Model": model, "Attack": attack, "Epsilon": epsilon(value)}
                yield from _quantities(study, rows.filter(pl.col("epsilon_255") == value), facets)


def _quantities(study: Study, rows: pl.DataFrame, facets: dict[str, str]) -> Iterator[State]:
    if not rows["accuracy"].is_not_null().any():
        return
    yield State({**facets, "Show": ACCURACY}, (_panel(study, rows, facets, gain=False),))
    defenses = set(rows["defense"])
    if NO_DEFENSE in defenses and len(defenses) > 1:
        yield State({**facets, "Show": GAIN}, (_panel(study, rows, facets, gain=True),))


def _panel(study: Study, rows: pl.DataFrame, facets: dict[str, str], *, gain: bool) -> Panel:
    model, value = facets["Model"], facets["Epsilon"]
    found = comparable(rows)
    demonstration = study.is_demonstration(model)
    what = "Gain over the undefended model" if gain else "Accuracy"
    attack = "" if value == epsilon(0) or facets["Attack"] == CLEAN else f" under {facets['Attack']}"
    sentences = [
        f"Mean row: {amount(len(found.datasets), 'dataset')} ({listing(found.datasets)}); "
        f"{captions.images(found.rows)}."
    ]
    measured = rows.filter(pl.col("accuracy").is_not_null())
    return Panel(
        title=f"{model}, ε = {value}",
        description=f"{what} of {model}{attack} at epsilon {value} by dataset and defense.",
        figure=_heatmap(study, rows, found.rows, demonstration=demonstration, gain=gain),
        caption=captions.finish(sentences, rows, demonstration=demonstration),
        numbers=Numbers(
            ("Dataset", *NUMBERS_HEADER),
            [(row["dataset"], *numbers_row(row)) for row in measured.sort("dataset").iter_rows(named=True)],
        ),
        demonstration=demonstration,
        family=study.family(model),
    )


def _heatmap(
    study: Study, rows: pl.DataFrame, shared: pl.DataFrame, *, demonstration: bool, gain: bool
) -> dict[str, Any]:
    defenses = [s.name for s in study.palette.ordered(rows["defense"]) if not (gain and s.name == NO_DEFENSE)]
    datasets = sorted(rows["dataset"].unique())
    positions = {**{name: float(place) for place, name in enumerate(datasets)}, MEAN: len(datasets) + _MEAN_GAP}
    entries = _entries(rows, shared)
    value = _gain(entries) if gain else _accuracy
    blocks = [_block(entries, names, defenses, positions, value, gain=gain) for names in (datasets, [MEAN])]
    return figure(
        [*blocks, _labels(entries, positions, defenses, value, gain=gain)],
        demonstration=demonstration,
        height=120 + 32 * len(positions) + _label_height(defenses),
        margin={"l": 10, "r": 14, "t": 26, "b": 40},
        xaxis=_names_axis(
            "Defense",
            range(len(defenses)),
            [_defense_label(study, name) for name in defenses],
            range=[-0.5, len(defenses) - 0.5],
        ),
        yaxis=_names_axis(
            "",
            list(positions.values()),
            [*(plain(shortened(name)) for name in datasets), f"<b>{MEAN}</b>"],
            range=[positions[MEAN] + 0.5, -0.5],
        ),
    )


def _block(
    entries: dict[Key, Row],
    names: Sequence[str],
    defenses: Sequence[str],
    positions: dict[str, float],
    value: Value,
    *,
    gain: bool,
) -> dict[str, Any]:
    cells = [[entries.get((name, defense)) for defense in defenses] for name in names]
    return {
        "type": "heatmap",
        "name": "mean" if names == [MEAN] else "datasets",
        "x": list(range(len(defenses))),
        "y": [positions[name] for name in names],
        "dy": 1,
        "z": [[_scaled(value(cell)) for cell in line] for line in cells],
        "hovertext": [[_hover(cell, value, gain=gain) for cell in line] for line in cells],
        "hoverinfo": "text",
        "hoverongaps": True,
        "xgap": 2,
        "ygap": 2,
        "showscale": False,
        "colorscale": _DIVERGING if gain else _SEQUENTIAL,
        "zmin": -_GAIN_LIMIT if gain else 0,
        "zmax": _GAIN_LIMIT if gain else 100,
    }


def _labels(
    entries: dict[Key, Row], positions: dict[str, float], defenses: Sequence[str], value: Value, *, gain: bool
) -> dict[str, Any]:
    """Write the numbers as a layer of their own, because a heat map has one text colour for all its cells."""
    places = [(name, place, defense) for name in positions for place, defense in enumerate(defenses)]
    cells = [entries.get((name, defense)) for name, _, defense in places]
    limit = _GAIN_LIMIT if gain else 100
    return {
        "type": "scatter",
        "mode": "text",
        "name": "numbers",
        "x": [place for _, place, _ in places],
        "y": [positions[name] for name, _, _ in places],
        "text": [_text(cell, value, gain=gain) for cell in cells],
        "textfont": {"size": 13, "color": [_ink(value(cell), 100 / limit) for cell in cells]},
        "hoverinfo": "skip",
    }


def _ink(number: float | None, scale: float) -> str:
    if number is None:
        return "var(--ink-3)"
    shade = sum(scale * abs(number) >= limit for limit in _INK_LIMITS)
    return f"var(--on-heat-{shade})"


def _names_axis(title: str, places: Sequence[float], names: Sequence[str], **more: Any) -> dict[str, Any]:
    bare = {"showgrid": False, "showline": False, "ticks": "", "automargin": True, "ticklabelstandoff": 6}
    return axis(title, tickvals=list(places), ticktext=list(names), **bare, **more)


def _label_height(defenses: Sequence[str]) -> int:
    return 3 * max((len(shortened(name)) for name in defenses), default=0)


def _defense_label(study: Study, name: str) -> str:
    style = study.palette[name]
    label = plain(shortened(name))
    return f"<i>{label}</i>" if style.control else label


def _entries(rows: pl.DataFrame, shared: pl.DataFrame) -> dict[Key, Row]:
    entries: dict[Key, Row] = {(row["dataset"], row["defense"]): row for row in rows.iter_rows(named=True)}
    for row in macro_mean(shared).iter_rows(named=True):
        status = "partial" if row["partial"] else "done"
        entries[MEAN, row["defense"]] = {**row, "dataset": MEAN, "status": status, "error": None}
    return entries


def _accuracy(cell: Row | None) -> float | None:
    return cell["accuracy"] if cell else None


def _gain(entries: dict[Key, Row]) -> Value:
    def gain(cell: Row | None) -> float | None:
        undefended = entries.get((cell["dataset"], NO_DEFENSE)) if cell else None
        if not cell or not undefended or cell["accuracy"] is None or undefended["accuracy"] is None:
            return None
        return float(cell["accuracy"] - undefended["accuracy"])

    return gain


def _scaled(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _text(cell: Row | None, value: Value, *, gain: bool) -> str:
    number = value(cell)
    if number is not None:
        points = round(100 * number)
        return f"{points:+d}".replace("-", "−") if gain and points else str(points)
    return "×" if cell and cell["status"] == "failed" else "–"


def _hover(cell: Row | None, value: Value, *, gain: bool) -> str:
    if cell is None:
        return "not in the grid"
    heading = (cell["dataset"], cell["defense"])
    if cell["accuracy"] is None:
        reason = f"<br>{plain(cell['error'][:160])}" if cell["error"] else ""
        return f"<b>{plain(' · '.join(heading))}</b><br>{cell['status']}{reason}"
    number = value(cell)
    note = f"<br>gain {100 * number:+.2f} points" if gain and number is not None else ""
    partial = "<br>not complete yet" if cell["status"] == "partial" else ""
    return hover(cell, *heading) + note + partial
