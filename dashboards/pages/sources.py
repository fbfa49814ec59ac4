"""The page that says where the numbers come from."""

from __future__ import annotations

from dashboards.analysis.provenance import Provenance, without_password
from dashboards.pages.markup import fill
from dashboards.pages.page import Page


def sources_page(provenance: Provenance) -> Page:
    """Return the page with environments, runs, grids, versions and dates."""
    return Page(
        "provenance.html",
        "Provenance",
        "Where the numbers come from",
        "The grids, versions and environments behind every number of this site.",
        fill("sources.html", provenance=provenance, database=without_password(provenance.database)),
    )
