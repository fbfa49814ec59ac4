"""Two models on the datasets that both were measured on: curves and a dot plot by dataset, on the same axes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import polars as pl

from dashboards.analysis.aggregate import macro_mean
from dashboards.analysis.comparable import Comparable, comparable
from dashboards.analysis.study import Study
from dashboards.figures import captions
from dashboards.figures.curves import CAUTION as CURVES_CAUTION
from dashboards.figures.curves import READING as CURVES_READING
from dashboards.figures.curves import lines
from dashboards.look.deck import Deck, Figure, Numbers, Panel, State
from dashboards.look.palette import DefenseStyle, Palette
from dashboards.look.theme import (
    NUMBERS_HEADER,
    accuracy_axis,
    axis,
    figure,
    hover,
    interval_bars,
    marker,
    numbers_row,
    plain,
)
from dashboards.look.words import amount, epsilon, listing, shortened
from orchestrator.grid.cell import TRANSFER

_DOTS_READING = (
    "One row per dataset, one mark per defense; both panels have the same rows, the same axis and the same "
    "defenses. Hollow marks are controls, bars are 95 % intervals."
)
_DOTS_CAUTION = (
    "Models differ in training data, size and resolution at once: a difference between the panels does not say "
    "which of them matters."
)
_ROW_HEIGHT, _ROW_HEIGHT_OF_MANY, _MANY = 15, 11, 40
Pair = tuple[str, str]


def pairs(study: Study) -> list[Pair]:
    """Return the pairs of models that share a dataset, those of two families first."""
    datasets = {
        model: set(study.pooled.filter(pl.col("model") == model, pl.col("accuracy").is_not_null())["dataset"])
        for model in study.models
    }
    sharing = [pair for pair in combinations(study.models, 2) if datasets[pair[0]] & datasets[pair[1]]]

    def alike(pair: Pair) -> bool:
        first, second = (study.families[model] for model in pair)
        return first is None or second is None or first == second

    return sorted(sharing, key=alike)


def curves_deck(study: Study, threat_model: str) -> Deck | None:
    """Draw accuracy against epsilon of two models over the datasets that both have."""
    states = [
        State(_facets(pair, attack), _curve_panels(study, found))
        for pair, attack, found in _shared(study, threat_model)
    ]
    return _deck(study, "pair-curves", threat_model, states, CURVES_READING, CURVES_CAUTION)


def dots_deck(study: Study, threat_model: str) -> Deck | None:
    """Draw accuracies of two models by dataset at one epsilon."""
    states = [
        State({**_facets(pair, attack), "Epsilon": epsilon(value)}, _dot_panels(study, found, value))
        for pair, attack, found in _shared(study, threat_model)
        for value in sorted(found.rows["epsilon_255"].unique())
        if value or threat_model == TRANSFER
    ]
    return _deck(study, "pair-dots", threat_model, states, _DOTS_READING, _DOTS_CAUTION)


def _facets(pair: Pair, attack: str) -> dict[str, str]:
    return {"Models": " and ".join(pair), "Attack": attack}


def _deck(
    study: Study, key: str, threat_model: str, states: Sequence[State], reading: str, caution: str
) -> Deck | None:
    if not states:
        return None
    names = {trace["legendgroup"] for state in states for panel in state.panels for trace in panel.figure["data"]}
    epsilons = [index for index, state in enumerate(states) if state.facets.get("Epsilon") != epsilon(0)]
    return Deck(
        key=f"{key}-{threat_model}",
        heading=study.title(threat_model),
        meaning=study.meaning(threat_model),
        reading=reading,
        caution=caution,
        states=states,
        legend=study.palette.ordered(names),
        start=epsilons[0] if epsilons else 0,
    )


def _shared(study: Study, threat_model: str) -> Iterator[tuple[Pair, str, Comparable]]:
    for pair in pairs(study):
        for attack in study.attacks(threat_model):
            found = _common(study.panel(threat_model, attack), pair)
            if found.datasets and found.rows["model"].n_unique() == 2:
                yield pair, attack, found


def _common(rows: pl.DataFrame, pair: Pair) -> Comparable:
    of_pair = rows.filter(pl.col("model").is_in(pair), pl.col("accuracy").is_not_null())
    in_both = [(pl.col("model").n_unique() == 2).over(keys) for keys in ("dataset", ["defense", "epsilon_255"])]
    return comparable(of_pair.filter(*in_both), ("model", "defense", "epsilon_255"))


def _curve_panels(study: Study, found: Comparable) -> tuple[Panel, ...]:
    averages = macro_mean(found.rows)
    return tuple(_curve_panel(study, found, model, averages) for model in _models(study, found))


def _models(study: Study, found: Comparable) -> list[str]:
    present = set(found.rows["model"])
    return [model for model in study.models if model in present]


def _curve_panel(study: Study, found: Comparable, model: str, averages: pl.DataFrame) -> Panel:
    own = averages.filter(pl.col("model") == model)
    demonstration = study.is_demonstration(model)
    return Panel(
        title=model,
        description=f"Accuracy against epsilon of {model} over {listing(found.datasets)}.",
        figure=lines(own, study.palette, demonstration=demonstration, height=380),
        caption=captions.averaged(found, demonstration=demonstration),
        numbers=Numbers(NUMBERS_HEADER, [numbers_row(row) for row in own.iter_rows(named=True)]),
        demonstration=demonstration,
        family=study.family(model),
    )


def _dot_panels(study: Study, found: Comparable, value: float) -> tuple[Panel, ...]:
    rows = found.rows.filter(pl.col("epsilon_255") == value)
    return tuple(_dot_panel(study, rows, found.datasets, model) for model in _models(study, found))


def _dot_panel(study: Study, rows: pl.DataFrame, datasets: Sequence[str], model: str) -> Panel:
    own = rows.filter(pl.col("model") == model).sort("dataset", "defense")
    demonstration = study.is_demonstration(model)
    sentence = f"Same {amount(len(datasets), 'dataset')} in both panels; {_images_by_dataset(own)}."
    return Panel(
        title=model,
        description=f"Accuracy of {model} by dataset and defense over {listing(datasets)}.",
        figure=dots(own, datasets, study.palette, demonstration=demonstration),
        caption=captions.finish([sentence], own, demonstration=demonstration),
        numbers=Numbers(
            ("Dataset", *NUMBERS_HEADER), [(row["dataset"], *numbers_row(row)) for row in own.iter_rows(named=True)]
        ),
        demonstration=demonstration,
        family=study.family(model),
    )


def _images_by_dataset(rows: pl.DataFrame) -> str:
    least, most = min(rows["images"]), max(rows["images"])
    return f"{least:,} images per mark" if least == most else f"{least:,} to {most:,} images per mark"


def dots(rows: pl.DataFrame, datasets: Sequence[str], palette: Palette, *, demonstration: bool) -> Figure:
    """Draw pooled rows of one model and epsilon as a dot plot with a band of rows per dataset."""
    styles = palette.ordered(rows["defense"])
    band = len(styles) + 1.2
    centers = [index * band + (len(styles) - 1) / 2 for index in range(len(datasets))]
    traces = [
        _dots(
            rows.filter(pl.col("defense") == style.name), style, {d: i * band + place for i, d in enumerate(datasets)}
        )
        for place, style in enumerate(styles)
    ]
    rows_drawn = band * len(datasets)
    height = int(90 + rows_drawn * (_ROW_HEIGHT if rows_drawn <= _MANY else _ROW_HEIGHT_OF_MANY))
    rules = [_rule(index * band - 1.1) for index in range(1, len(datasets))]
    return figure(
        traces,
        demonstration=demonstration,
        height=max(height, 200),
        margin={"l": 10, "r": 14, "t": 22, "b": 52},
        shapes=rules,
        xaxis=accuracy_axis("Accuracy (%)"),
        yaxis=axis(
            "",
            tickvals=centers,
            ticktext=[plain(shortened(name)) for name in datasets],
            showgrid=False,
            ticks="",
            automargin=True,
            range=[band * len(datasets) - 1, -1.2],
        ),
    )


def _rule(position: float) -> dict[str, Any]:
    line = {"color": "var(--grid)", "width": 1}
    return {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": position, "y1": position, "line": line}


def _dots(rows: pl.DataFrame, style: DefenseStyle, places: dict[str, float]) -> dict[str, Any]:
    measured = rows.to_dicts()
    return {
        "type": "scatter",
        "mode": "markers",
        "name": plain(style.name),
        "legendgroup": style.name,
        "x": [100 * row["accuracy"] for row in measured],
        "y": [places[row["dataset"]] for row in measured],
        "error_x": interval_bars(measured, style),
        "marker": marker(style),
        "hovertext": [hover(row, row["dataset"], style.name) for row in measured],
        "hoverinfo": "text",
    }
