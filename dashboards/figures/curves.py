"""Accuracy against epsilon, one line per defense."""

from __future__ import annotations

import polars as pl

from dashboards.analysis.aggregate import macro_mean
from dashboards.analysis.comparable import Comparable, comparable
from dashboards.analysis.study import Study
from dashboards.figures import captions
from dashboards.look.deck import Deck, Figure, Numbers, Panel, State
from dashboards.look.palette import Palette
from dashboards.look.theme import (
    NUMBERS_HEADER,
    accuracy_axis,
    epsilon_axis,
    figure,
    hover,
    interval_bars,
    marker,
    numbers_row,
    plain,
)
from dashboards.look.words import epsilon, listing

MEAN = "mean over datasets"
READING = (
    "Each line is one defense; hollow marks and dashed lines are controls that any defense has to beat. Vertical "
    "bars are 95 % intervals. Marks of one ε are moved apart sideways only so that their bars can be told apart."
)
CAUTION = (
    "An interval speaks of other images of the same datasets, not of other datasets or attacks. Overlapping "
    "intervals do not show that two defenses are equal."
)


def deck(study: Study, threat_model: str) -> Deck | None:
    """Draw accuracy against epsilon for one threat model: a panel per model, a state per attack and dataset."""
    states = []
    for attack in study.attacks(threat_model):
        rows = study.panel(threat_model, attack).filter(pl.col("accuracy").is_not_null())
        datasets = sorted(rows["dataset"].unique())
        for dataset in [MEAN, *(datasets if len(datasets) > 1 else [])]:
            chosen = rows if dataset == MEAN else rows.filter(pl.col("dataset") == dataset)
            found = [(model, comparable(chosen.filter(pl.col("model") == model))) for model in study.models]
            panels = tuple(panel(study, model, each) for model, each in found if each.datasets)
            if panels:
                states.append(State({"Attack": attack, "Dataset": dataset}, panels))
    if not states:
        return None
    drawn = study.pooled.filter(pl.col("accuracy").is_not_null())
    rows = pl.concat([study.panel(threat_model, attack) for attack in study.attacks(threat_model)])
    return Deck(
        key=f"curves-{threat_model}",
        heading=study.title(threat_model),
        meaning=study.meaning(threat_model),
        reading=READING,
        caution=CAUTION,
        states=states,
        legend=study.palette.ordered(rows.join(drawn, on=["model", "defense"], how="semi")["defense"]),
    )


def panel(study: Study, model: str, found: Comparable) -> Panel:
    """Draw one model's comparable rows, averaged over their datasets."""
    averages = macro_mean(found.rows)
    demonstration = study.is_demonstration(model)
    defenses = [style.name for style in study.palette.ordered(averages["defense"])]
    return Panel(
        title=model,
        description=f"Accuracy against epsilon of {model} under {listing(defenses, 12)}.",
        figure=lines(averages, study.palette, demonstration=demonstration),
        caption=captions.averaged(found, demonstration=demonstration),
        numbers=Numbers(NUMBERS_HEADER, [numbers_row(row) for row in averages.iter_rows(named=True)]),
        demonstration=demonstration,
        family=study.family(model),
    )


def lines(averages: pl.DataFrame, palette: Palette, *, demonstration: bool, height: int = 400) -> Figure:
    """Draw one model's rows of :func:`dashboards.analysis.aggregate.macro_mean`, a line per defense."""
    styles = palette.ordered(averages["defense"])
    norm = averages["norm"][0]
    # In the unit of the axis.
    unit = 1.0 if norm == "linf" else 255.0
    epsilons = [value / unit for value in sorted(averages["epsilon_255"].unique())]
    step = 0.011 * ((epsilons[-1] - epsilons[0]) or 1.0)
    traces = []
    for index, style in enumerate(styles):
        offset = (index - (len(styles) - 1) / 2) * step
        rows = averages.filter(pl.col("defense") == style.name).sort("epsilon_255").to_dicts()
        trace = {
            "type": "scatter",
            "mode": "lines+markers",
            "name": plain(style.name),
            "legendgroup": style.name,
            "x": [row["epsilon_255"] / unit + offset for row in rows],
            "y": [100 * row["accuracy"] for row in rows],
            "error_y": interval_bars(rows, style),
            "line": {"color": style.color, "width": style.line_width, "dash": style.dash},
            "marker": marker(style),
            "hovertext": [hover(row, style.name, f"ε = {epsilon(row['epsilon_255'], norm)}") for row in rows],
            "hoverinfo": "text",
        }
        traces.append(trace)
    return figure(
        traces,
        demonstration=demonstration,
        height=height,
        xaxis=epsilon_axis(epsilons, norm),
        yaxis=accuracy_axis("Accuracy (%)"),
    )
