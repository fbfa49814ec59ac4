"""The page that says where the numbers come from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from dashboards.analysis.provenance import Provenance, RunProvenance, without_password
from dashboards.pages.figures import empty
from dashboards.pages.markup import definitions, escape, fill, table
from dashboards.pages.page import Page


def sources_page(provenance: Provenance) -> Page:
    """Return the page with runs, grids, versions, devices and dates."""
    facts = {
        "Database": f"<code>{escape(without_password(provenance.database))}</code>",
        "Site written": escape(_time(provenance.generated_at)),
        "Runs": str(len(provenance.runs)),
    }
    runs = "".join(_run(run) for run in provenance.runs) or empty("No run is recorded.")
    return Page(
        "provenance.html",
        "Provenance",
        "Where the numbers come from",
        "The grids, versions and devices behind every number of this site.",
        f'<section class="card">{definitions(facts)}</section>{runs}',
    )


def _run(run: RunProvenance) -> str:
    facts = {
        "Run": f"<code>{escape(run.id)}</code>",
        "Started": escape(_time(run.started_at)),
        "Finished": escape(_time(run.finished_at)),
        "Host": escape(run.host),
        "scc-bench": f"<code>{escape(run.code_version)}</code>",
        "Python": escape(run.python_version),
    }
    return fill(
        "run.html",
        name=escape(run.name or run.id),
        outcome=escape(run.outcome),
        facts=definitions(facts),
        devices=_mapping(("Name", "Device"), run.devices, "Devices"),
        packages=_mapping(("Package", "Version"), run.packages, "Packages"),
        grid=escape(run.grid_yaml),
    )


def _mapping(header: tuple[str, str], entries: Mapping[str, str], caption: str) -> str:
    if not entries:
        return f'<p class="caption">{caption}: none recorded.</p>'
    return table(header, [(escape(name), escape(value)) for name, value in sorted(entries.items())], caption=caption)


def _time(moment: datetime | None) -> str:
    return "–" if moment is None else moment.strftime("%Y-%m-%d %H:%M:%S %Z").strip()
