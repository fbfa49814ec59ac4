"""Writes the site: all pages and their assets, or nothing."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import polars as pl
from plotly.offline import get_plotlyjs

from dashboards.analysis.provenance import Provenance
from dashboards.analysis.published import Published
from dashboards.analysis.study import Study
from dashboards.pages.figures import datasets_page, epsilon_page, models_page, tradeoff_page
from dashboards.pages.markup import template
from dashboards.pages.overview import overview_page
from dashboards.pages.page import Frame, Page, render
from dashboards.pages.published import published_page
from dashboards.pages.results import CSV_FILE, csv_lines, results_page
from dashboards.pages.sources import sources_page
from scc_core.errors import UserError

MARKER = ".sccbench-dashboard"
"""A file by which a later call knows that a folder is a site of ours."""

_ASSETS = ("style.css", "figures.js", "table.js", "theme.js")


def write_site(results: pl.DataFrame, provenance: Provenance, folder: Path, published: Published | None = None) -> Path:
    """Write the site of some results; it opens from ``file://`` without a network.

    Args:
        results: rows of the ``results`` or the ``run_results`` view; fractions in [0, 1], epsilon in 1/255. An optional
            column ``badges`` (a list, or text with commas) is shown beside the status.
        provenance: where the results come from.
        folder: where the site goes. An older site there is replaced as a whole; a crash leaves the older one.
        published: the comparison with published numbers; it gets a page if anything is comparable.

    Returns:
        The path of ``index.html``.

    Raises:
        UserError: ``folder`` holds something that is not a site of ours.
    """
    empty = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    if not empty and not (folder / MARKER).is_file():
        kind = "a folder that sccbench did not write" if folder.is_dir() else "not a folder"
        raise UserError(f"cannot write the dashboard to {str(folder)!r}: it is {kind}. Name a new or an empty folder.")
    pages = site_pages(results, provenance, published)
    versions = dict.fromkeys(run.code_version for run in provenance.runs)
    demonstration = "demonstration" in results.columns and bool(results["demonstration"].cast(pl.Boolean).any())
    frame = Frame(provenance.title, provenance.generated_at, demonstration, ", ".join(versions))
    with _replacing(folder) as fresh:
        for page in pages:
            (fresh / page.file).write_text(render(page, pages, frame), encoding="utf-8")
        assets = fresh / "assets"
        assets.mkdir()
        for name in _ASSETS:
            (assets / name).write_text(template(name), encoding="utf-8")
        (assets / "plotly.min.js").write_text(get_plotlyjs(), encoding="utf-8")
        (fresh / CSV_FILE).write_text("".join(csv_lines(results)), encoding="utf-8")
        (fresh / MARKER).write_text("written by sccbench dashboard\n", encoding="utf-8")
    return folder / "index.html"


def site_pages(results: pl.DataFrame, provenance: Provenance, published: Published | None = None) -> list[Page]:
    """Return every page of the site, in the order of its navigation."""
    study = Study.of(results)
    compared = [] if published is None or published.rows.is_empty() else [published_page(published)]
    return [
        overview_page(study, provenance.title),
        tradeoff_page(study),
        epsilon_page(study),
        datasets_page(study),
        models_page(study),
        *compared,
        results_page(results),
        sources_page(provenance),
    ]


@contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """Give a fresh sibling folder that takes the place of ``folder`` when the block ends without an error."""
    target = folder.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    workspace = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    fresh, older = workspace / "fresh", workspace / "older"
    fresh.mkdir()
    try:
        yield fresh
        _swap(fresh, target, older)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    else:
        shutil.rmtree(older, ignore_errors=True)
    finally:
        with suppress(OSError):
            workspace.rmdir()


def _swap(fresh: Path, target: Path, older: Path) -> None:
    if target.exists():
        target.replace(older)
    try:
        fresh.replace(target)
    except OSError:
        if older.exists():
            older.replace(target)
        raise
