"""Two models on the datasets that both were measured on: curves and a dot plot by dataset, on the same axes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import polars as pl

from dashboards.analysis.aggregate import macro_mean
from dashboards.analysis.comparable import Comparable, comparable
from dashboards.analysis.study import Study
from dashboards.figures import captions
from dashboards.figures.curves import CAUTION as CURVES_CAUTION
from dashboards.figures.curves import READING as CURVES_READING
from dashboards.figures.curves import lines
from dashboards.look.deck import Deck, Figure, Numbers, Panel, State
from dashboards.look.palette import Palette
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
    states = []
    for facets, found in _shared(study, threat_model):
        averages = macro_mean(found.rows)
        states.append(
            State(facets, tuple(curve_panel(study, found, model, averages) for model in _models(study, found)))
        )
    return _deck(study, "pair-curves", threat_model, states, CURVES_READING, CURVES_CAUTION)


def dots_deck(study: Study, threat_model: str) -> Deck | None:
    """Draw accuracies of two models by dataset at one epsilon."""
    states = []
    for facets, found in _shared(study, threat_model):
        for value in sorted(found.rows["epsilon_255"].unique()):
            if value or threat_model == TRANSFER:
                rows = found.rows.filter(pl.col("epsilon_255") == value)
                panels = tuple(dot_panel(study, rows, found.datasets, model) for model in _models(study, found))
                states.append(State({**facets, "Epsilon": epsilon(value, rows["norm"][0])}, panels))
    return _deck(study, "pair-dots", threat_model, states, _DOTS_READING, _DOTS_CAUTION)


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


def _shared(study: Study, threat_model: str) -> Iterator[tuple[dict[str, str], Comparable]]:
    """Yield what is comparable of each pair of models under each attack, with the facets by which it is chosen."""
    for pair in pairs(study):
        for attack in study.attacks(threat_model):
            rows = study.panel(threat_model, attack)
            of_pair = rows.filter(pl.col("model").is_in(pair), pl.col("accuracy").is_not_null())
            keys = ("dataset", ["defense", "epsilon_255"])
            in_both = of_pair.filter(*((pl.col("model").n_unique() == 2).over(key) for key in keys))
            found = comparable(in_both, ("model", "defense", "epsilon_255"))
            if found.datasets and found.rows["model"].n_unique() == 2:
                yield {"Models": " and ".join(pair), "Attack": attack}, found


def _models(study: Study, found: Comparable) -> list[str]:
    present = set(found.rows["model"])
    return [model for model in study.models if model in present]


def curve_panel(study: Study, found: Comparable, model: str, averages: pl.DataFrame) -> Panel:
    """Draw the curves of one model of a pair."""
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


def dot_panel(study: Study, rows: pl.DataFrame, datasets: Sequence[str], model: str) -> Panel:
    """Draw the dots of one model of a pair at one epsilon."""
    own = rows.filter(pl.col("model") == model).sort("dataset", "defense")
    demonstration = study.is_demonstration(model)
    least, most = min(own["images"]), max(own["images"])
    images = f"{least:,} images per mark" if least == most else f"{least:,} to {most:,} images per mark"
    sentence = f"Same {amount(len(datasets), 'dataset')} in both panels; {images}."
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


def dots(rows: pl.DataFrame, datasets: Sequence[str], palette: Palette, *, demonstration: bool) -> Figure:
    """Draw pooled rows of one model and epsilon as a dot plot with a band of rows per dataset."""
    styles = palette.ordered(rows["defense"])
    band = len(styles) + 1.2
    places = {dataset: index * band for index, dataset in enumerate(datasets)}
    traces = []
    for place, style in enumerate(styles):
        measured = rows.filter(pl.col("defense") == style.name).to_dicts()
        trace = {
            "type": "scatter",
            "mode": "markers",
            "name": plain(style.name),
            "legendgroup": style.name,
            "x": [100 * row["accuracy"] for row in measured],
            "y": [places[row["dataset"]] + place for row in measured],
            "error_x": interval_bars(measured, style),
            "marker": marker(style),
            "hovertext": [hover(row, row["dataset"], style.name) for row in measured],
            "hoverinfo": "text",
        }
        traces.append(trace)
    rows_drawn = band * len(datasets)
    height = int(90 + rows_drawn * (_ROW_HEIGHT if rows_drawn <= _MANY else _ROW_HEIGHT_OF_MANY))
    rule = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "line": {"color": "var(--grid)", "width": 1}}
    between = [place - 1.1 for place in list(places.values())[1:]]
    return figure(
        traces,
        demonstration=demonstration,
        height=max(height, 200),
        margin={"l": 10, "r": 14, "t": 22, "b": 52},
        shapes=[{**rule, "y0": place, "y1": place} for place in between],
        xaxis=accuracy_axis("Accuracy (%)"),
        yaxis=axis(
            "",
            tickvals=[place + (len(styles) - 1) / 2 for place in places.values()],
            ticktext=[plain(shortened(name)) for name in datasets],
            showgrid=False,
            ticks="",
            automargin=True,
            range=[rows_drawn - 1, -1.2],
        ),
    )
