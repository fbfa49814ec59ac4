"""The first page: what was measured, the main figure, mean accuracies, and what controls reach."""

from __future__ import annotations

from dashboards.analysis.study import Study
from dashboards.figures import tradeoff
from dashboards.pages.figures import empty
from dashboards.pages.markup import deck_section, fill
from dashboards.pages.page import FIGURE_SCRIPTS, Page
from dashboards.pages.summary import summary_section


def overview_page(study: Study, title: str) -> Page:
    """Return the first page."""
    cells = study.cells
    counts = dict(cells.group_by("status").len().iter_rows())
    facts = {
        "model": cells["model"].n_unique(),
        "dataset": cells["dataset"].n_unique(),
        "defense": cells["defense"].n_unique(),
        "measured cell": counts.get("done", 0),
        "prediction": int(cells["samples"].sum()),
    }
    sections = []
    for threat_model in study.threat_models:
        deck = tradeoff.deck(study, threat_model)
        nothing = "No model has been measured both clean and under attack yet. Means of what there is follow."
        sections += [empty(nothing) if deck is None else deck_section(deck), summary_section(study, threat_model)]
    return Page(
        "index.html",
        "Overview",
        title,
        "Zero-shot accuracy of vision-language models on clean and on attacked images, undefended and defended.",
        fill(
            "overview.html",
            facts=facts,
            unfinished={name: counts[name] for name in ("failed", "partial", "pending") if name in counts},
            sections=sections or [empty("No results yet. Run a grid, then write this site again.")],
        ),
        FIGURE_SCRIPTS,
    )
