"""The commands that draw, ``sccbench dashboard`` and ``sccbench demo``, which are entry points of the command line."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.exit_status import finish
from orchestrator.cli.options import DEFAULT_DATABASE, Database, Workers, output, print_line
from orchestrator.cli.run import start
from orchestrator.cluster.options import RunOptions
from orchestrator.grid.shipped import demo_grid

DEMO_DATABASE = "sqlite:///sccbench-demo.db"
SITE = Path("sccbench-dashboard")
Run = Annotated[
    str | None,
    typer.Option("--run", metavar="RUN", help="Only this run's own samples (its id or the beginning of it)."),
]
Out = Annotated[Path, typer.Option(metavar="FOLDER", help="The folder to write.")]


def dashboard(db: Database = DEFAULT_DATABASE, run: Run = None, out: Out = SITE) -> None:
    """Draw what is measured: a folder of HTML pages that opens without a network."""
    _name(draw(db, run, out))


def demo(db: Database = DEMO_DATABASE, out: Out = SITE, workers: Workers = None) -> None:
    """Run the demonstration grid on the small models that ship with the project, and draw its dashboard."""
    result = start(demo_grid(), db, RunOptions(num_workers=workers))
    _name(draw(db, result.run, out))
    finish(result)


def draw(db: str, run: str | None, out: Path) -> Path:
    """Write the dashboard of a database, or of one of its runs, and return the page to open.

    Raises:
        UserError: no such database or run, or the folder holds something else.
    """
    from dashboards.analysis.provenance import Provenance, RunProvenance
    from dashboards.analysis.published import Published
    from dashboards.site import write_site
    from orchestrator.results.published import shipped
    from orchestrator.results.published.comparison import Comparison
    from orchestrator.store import ResultStore

    with ResultStore.open(db, create=False) as store:
        runs = store.runs() if run is None else [store.run(run)]
        used = store.environments_of_runs(None if run is None else runs[0].id)
        known = store.environments()
        frame = store.results(None if run is None else runs[0].id)
        published = Published.of(Comparison(store, shipped(), None if run is None else runs[0].id))
    title = "Robustness against accuracy" if run is None else f"Robustness against accuracy: {runs[0].name}"
    shown = {name for names in used.values() for name in names}
    provenance = Provenance(
        title,
        datetime.now(UTC),
        db,
        [RunProvenance.of(one, used.get(one.id, ())) for one in runs],
        {name: facts for name, facts in known.items() if name in shown},
    )
    return write_site(frame, provenance, out, published).resolve()


def _name(page: Path) -> None:
    print_line(output(), f"dashboard: {page}")
