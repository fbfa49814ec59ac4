"""The page that sets measured beside published numbers."""

from __future__ import annotations

from dashboards.analysis.published import Published
from dashboards.pages.markup import fill
from dashboards.pages.page import Page

PUBLISHED_FILE = "published.html"
_HEADER = (
    "Dataset",
    "Defense",
    "Attack",
    "Images",
    "0 to 100 %",
    "Measured (%)",
    "Published (%)",
    "Difference",
    "Within interval",
)


def published_page(published: Published) -> Page:
    """Return the page of a comparison; it has at least one row."""
    sections = []
    for (source, model, seed), rows in published.rows.group_by(["source", "model", "seed"], maintain_order=True):
        heading = f"{model} ({rows['measured_model'][0]}), seed {seed}"
        sections.append((source, heading, rows.to_dicts()))
    return Page(
        PUBLISHED_FILE,
        "Published",
        "Measured beside published numbers",
        "Only what agrees in model, dataset, attack, epsilon, defense and preprocessing stands side by side. "
        "Published numbers are transfer attacks; adaptive results never appear here.",
        fill("published.html", gates=published.gates, sections=sections, header=_HEADER, notes=published.notes),
    )
