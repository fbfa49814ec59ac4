"""Commands that read results: status, query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from orchestrator.cli.options import DEFAULT_DATABASE, Database, Format, TableFormat, output

if TYPE_CHECKING:
    from orchestrator.store import ResultStore, RunSummary


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (status, query):
        app.command()(command)


def status(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="A run's id or its beginning. Default: all runs.")
    ] = None,
    db: Database = DEFAULT_DATABASE,
) -> None:
    """Show the runs of the database, or the cells of one run with what went wrong."""
    from orchestrator.store import ResultStore

    store = ResultStore.open(db, create=False)
    if run is None:
        output().print(_runs_table(store.runs()))
    else:
        _show_run(store, store.run(run))


def query(
    sql: Annotated[
        str | None, typer.Argument(metavar="[SQL]", help="One SELECT. Without it: the views and their columns.")
    ] = None,
    db: Database = DEFAULT_DATABASE,
    form: TableFormat = Format.TABLE,
) -> None:
    """Run read-only SQL on the results database; the views `results` and `run_results` are the public interface."""
    from orchestrator.cli.tables import print_frame
    from orchestrator.store import list_views, read_only_query

    frame = list_views() if sql is None else read_only_query(db, sql)
    print_frame(frame, form, output())


def _runs_table(runs: list[RunSummary]) -> Table:
    table = Table("run", "name", "started", "state", caption="no runs yet" if not runs else None)
    for column in ("cells", "done", "failed"):
        table.add_column(column, justify="right")
    for run in runs:
        started = run.started_at.strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(run.id, run.name, started, run.state, str(run.cells), str(run.cells_done), str(run.cells_failed))
    return table


def _show_run(store: ResultStore, run: RunSummary) -> None:
    console = output()
    console.print(_runs_table([run]))
    frame = store.results(run.id)
    table = Table("model", "dataset", "attack", "epsilon/255", "defense", "seed", "status", "error")
    for row in frame.filter(frame["status"] != "done").iter_rows(named=True):
        table.add_row(
            row["model"],
            row["dataset"],
            row["attack"],
            f"{row['epsilon_255']:g}",
            row["defense"],
            str(row["seed"]),
            f"{row['status']} ({row['samples']} of {row['requested_samples']})",
            row["error"] or "",
        )
    console.print(table if table.row_count else f"all {len(frame)} cells are done")
