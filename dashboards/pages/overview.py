"""The first page: what was measured, the main figure, mean accuracies, and what controls reach."""

from __future__ import annotations

import polars as pl

from dashboards.analysis.study import Study
from dashboards.figures import tradeoff
from dashboards.look.words import amount
from dashboards.pages.figures import empty
from dashboards.pages.markup import deck_section, escape, fill
from dashboards.pages.page import FIGURE_SCRIPTS, Page
from dashboards.pages.summary import control_table, summaries, summary_table


def overview_page(study: Study, title: str) -> Page:
    """Return the first page."""
    parts = [_facts(study), _unfinished(study)]
    parts += [_headline(study, threat) + _means(study, threat) for threat in study.threat_models]
    parts += [] if study.threat_models else [empty("No results yet. Run a grid, then write this site again.")]
    parts.append(fill("limits.html"))
    return Page(
        "index.html",
        "Overview",
        title,
        "Zero-shot accuracy of vision-language models on clean and on attacked images, undefended and defended.",
        "".join(parts),
        FIGURE_SCRIPTS,
    )


def _facts(study: Study) -> str:
    cells = study.cells
    done = cells.filter(pl.col("status") == "done").height
    facts = {
        "model": cells["model"].n_unique(),
        "dataset": cells["dataset"].n_unique(),
        "defense": cells["defense"].n_unique(),
        "measured cell": done,
        "prediction": int(cells["samples"].sum()),
    }
    items = "".join(
        f"<div><dt>{amount(number, name).partition(' ')[2]}</dt><dd>{number:,}</dd></div>"
        for name, number in facts.items()
    )
    return f'<dl class="facts">{items}</dl>'


def _unfinished(study: Study) -> str:
    status = study.cells["status"]
    links = [
        f'<a href="results.html#status={name}">{amount(number, "cell")} {name}</a>'
        for name in ("failed", "partial", "pending")
        if (number := int((status == name).sum()))
    ]
    if not links:
        return ""
    return f'<p class="notice">This grid is not complete: {", ".join(links)}. Figures show what is measured so far.</p>'


def _headline(study: Study, threat_model: str) -> str:
    deck = tradeoff.deck(study, threat_model)
    if deck is None:
        return empty("No model has been measured both clean and under attack yet. Means of what there is follow.")
    return deck_section(deck)


def _means(study: Study, threat_model: str) -> str:
    found = summaries(study, threat_model)
    tables = "".join(summary_table(study, summary) for summary in found)
    controls = control_table(study, found)
    beside = fill("controls.html", table=controls) if controls else ""
    return fill(
        "summary.html",
        key=escape(threat_model),
        title=escape(f"Mean accuracy: {study.title(threat_model).lower()}"),
        tables=tables,
        controls=beside,
    )
