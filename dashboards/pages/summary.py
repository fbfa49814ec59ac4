"""The overview's tables: mean accuracies by defense, and what a trivial control reaches beside the best defense."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from dashboards.analysis.aggregate import macro_mean
from dashboards.analysis.comparable import Comparable, comparable
from dashboards.analysis.study import Study
from dashboards.figures import captions
from dashboards.look.legend import swatch
from dashboards.look.theme import Row
from dashboards.look.words import epsilon, interval, percent, rate
from dashboards.pages.markup import demonstration_badge, escape, table
from orchestrator.grid.cell import CLEAN, NO_DEFENSE


@dataclass(frozen=True)
class Summary:
    """Mean accuracies of one model under one attack and threat model.

    Attributes:
        model: the model's name.
        attack: the attack's label.
        threat_model: what the attacker knows.
        found: the rows behind the means.
        means: rows of :func:`dashboards.analysis.aggregate.macro_mean`.
    """

    model: str
    attack: str
    threat_model: str
    found: Comparable
    means: pl.DataFrame

    @property
    def epsilons(self) -> list[float]:
        """The epsilons that have a mean, in 1/255."""
        return sorted(self.means["epsilon_255"].unique())

    def at(self, value: float) -> list[dict[str, Any]]:
        """Return the means at one epsilon."""
        return self.means.filter(pl.col("epsilon_255") == value).to_dicts()


def summaries(study: Study, threat_model: str) -> list[Summary]:
    """Return the summaries under one threat model, by model and attack."""
    found = []
    for model in study.models:
        for attack in study.attacks(threat_model):
            rows = study.panel(threat_model, attack).filter(pl.col("model") == model)
            common = comparable(rows)
            if common.datasets:
                found.append(Summary(model, attack, threat_model, common, macro_mean(common.rows)))
    return found


def summary_table(study: Study, summary: Summary) -> str:
    """Return a summary as an article with its caption."""
    demonstration = study.is_demonstration(summary.model)
    under = "" if summary.attack == CLEAN else f" under {summary.attack}"
    header = ["Defense", *(f"ε&#8239;=&#8239;{escape(epsilon(value))}" for value in summary.epsilons), "Images/s"]
    rows = [_summary_row(study, summary, style.name) for style in study.palette.ordered(summary.means["defense"])]
    caption = f"Mean accuracy in % with 95 % intervals: {summary.model}{under}, {summary.threat_model}"
    return (
        f'<article class="summary"><h3>{escape(summary.model)}<small>{escape(under)}</small> '
        f'<span class="note">{escape(study.family(summary.model))}</span> '
        f"{demonstration_badge() if demonstration else ''}</h3>"
        f"{table(header, rows, caption=caption, css='summary-table')}"
        f"<p class='caption'>{escape(captions.averaged(summary.found, demonstration=demonstration))}</p></article>"
    )


def _summary_row(study: Study, summary: Summary, defense: str) -> list[str]:
    style = study.palette[defense]
    note = "" if style.undefended or not style.note else f' <span class="note">{style.note}</span>'
    cells = [_mean_cell(summary.at(value), defense) for value in summary.epsilons]
    own = summary.means.filter(pl.col("defense") == defense, pl.col("epsilon_255") > 0)
    own = own if own.height else summary.means.filter(pl.col("defense") == defense)
    return [f"{swatch(style)} {escape(defense)}{note}", *cells, rate(sum(own["samples"]), sum(own["seconds"]))]


def _mean_cell(rows: Sequence[Row], defense: str) -> str:
    row = next((row for row in rows if row["defense"] == defense), None)
    if row is None:
        return "–"
    best = max(rows, key=lambda other: float(other["accuracy"]))
    near = row["accuracy_high"] >= best["accuracy_low"]
    number = percent(row["accuracy"])
    limits = interval(row["accuracy_low"], row["accuracy_high"])
    return f"{f'<strong>{number}</strong>' if near else number}<small>{limits}</small>"


def control_table(study: Study, found: Sequence[Summary]) -> str:
    """Compare the best defense with the best control, epsilon by epsilon; nothing where there is no control."""
    rows = [row for summary in found for row in _control_rows(study, summary)]
    if not rows:
        return ""
    header = ("Model", "Attack", "ε", "Best defense", "Best control", "95 % intervals")
    return table(header, rows, caption="Best defense and best control, mean accuracy in %", css="controls-table")


def _control_rows(study: Study, summary: Summary) -> list[list[str]]:
    rows = []
    for value in summary.epsilons:
        means = [row for row in summary.at(value) if row["defense"] != NO_DEFENSE]
        # One of which it is not known what it is stands on neither side.
        controls = [row for row in means if study.palette[row["defense"]].control is True]
        defenses = [row for row in means if study.palette[row["defense"]].control is False]
        if controls and defenses and value > 0:
            best = [max(group, key=lambda row: float(row["accuracy"])) for group in (defenses, controls)]
            cells = [summary.model, summary.attack, epsilon(value)]
            rows.append([*map(escape, cells), *map(_named_mean, best), _verdict(*best)])
    return rows


def _named_mean(row: Row) -> str:
    limits = interval(row["accuracy_low"], row["accuracy_high"])
    return f"{escape(row['defense'])} <b>{percent(row['accuracy'])}</b><small>{limits}</small>"


def _verdict(defense: Row, control: Row) -> str:
    if defense["accuracy_low"] > control["accuracy_high"]:
        return '<span class="badge done">defense ahead</span>'
    if control["accuracy_low"] > defense["accuracy_high"]:
        return '<span class="badge failed">control ahead</span>'
    return '<span class="badge partial">overlap</span>'
