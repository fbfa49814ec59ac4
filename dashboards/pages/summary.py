"""The overview's tables: mean accuracies by defense, and what a trivial control reaches beside the best defense."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from markupsafe import Markup

from dashboards.analysis.aggregate import macro_mean
from dashboards.analysis.comparable import Comparable, comparable
from dashboards.analysis.study import Study
from dashboards.figures import captions
from dashboards.look.theme import Row
from dashboards.look.words import epsilon, rate
from dashboards.pages.markup import fill
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
    def norm(self) -> str:
        """The norm of the attack's radii."""
        return str(self.means["norm"][0])

    @property
    def epsilons(self) -> list[float]:
        """The epsilons that have a mean, times 255."""
        return sorted(self.means["epsilon_255"].unique())

    def at(self, value: float) -> dict[str, dict[str, Any]]:
        """Return the means at one epsilon by the defense."""
        rows = self.means.filter(pl.col("epsilon_255") == value).iter_rows(named=True)
        return {row["defense"]: row for row in rows}


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


def summary_section(study: Study, threat_model: str) -> Markup:
    """Return the section of all mean accuracies under one threat model."""
    found = summaries(study, threat_model)
    return fill(
        "summary.html",
        key=threat_model,
        title=f"Mean accuracy: {study.title(threat_model).lower()}",
        tables=[summary_table(study, summary) for summary in found],
        controls=control_table(study, found),
    )


def summary_table(study: Study, summary: Summary) -> Markup:
    """Return a summary as an article with its caption."""
    demonstration = study.is_demonstration(summary.model)
    under = "" if summary.attack == CLEAN else f" under {summary.attack}"
    columns = [summary.at(value) for value in summary.epsilons]
    best = [max(means.values(), key=_accuracy) for means in columns]
    rows = []
    for style in study.palette.ordered(summary.means["defense"]):
        own = summary.means.filter(pl.col("defense") == style.name)
        attacked = own.filter(pl.col("epsilon_255") > 0)
        timed = attacked if attacked.height else own
        cells = [(means.get(style.name), leader) for means, leader in zip(columns, best, strict=True)]
        rows.append((style, cells, rate(sum(timed["samples"]), sum(timed["seconds"]))))
    return fill(
        "summary_table.html",
        summary=summary,
        under=under,
        family=study.family(summary.model),
        demonstration=demonstration,
        header=[
            "Defense",
            *(f"ε\u202f=\u202f{epsilon(value, summary.norm)}" for value in summary.epsilons),
            "Images/s",
        ],
        caption=f"Mean accuracy in % with 95 % intervals: {summary.model}{under}, {summary.threat_model}",
        rows=rows,
        said=captions.averaged(summary.found, demonstration=demonstration),
    )


def control_table(study: Study, found: Sequence[Summary]) -> Markup:
    """Compare the best defense with the best control, epsilon by epsilon; nothing where there is no control."""
    rows = []
    for summary in found:
        for value in summary.epsilons:
            means = [row for row in summary.at(value).values() if row["defense"] != NO_DEFENSE]
            # A defense that is not known to be a control or not counts on neither side.
            controls = [row for row in means if study.palette[row["defense"]].control is True]
            defenses = [row for row in means if study.palette[row["defense"]].control is False]
            if controls and defenses and value > 0:
                rows.append((summary, value, max(defenses, key=_accuracy), max(controls, key=_accuracy)))
    return fill("controls.html", rows=rows) if rows else Markup("")


def _accuracy(row: Row) -> float:
    return float(row["accuracy"])
