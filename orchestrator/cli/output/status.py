"""What ``sccbench status`` prints: runs as a database or the head of a cluster knows them, once or until they end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from orchestrator.cli.options import output, print_line
from scc_core.components.parameters import written_radius

if TYPE_CHECKING:
    from orchestrator.jobs import Head, SubmittedRun
    from orchestrator.store import ResultStore, RunSummary

_LOOK_SECONDS = 2.0
_EXIT_STATUS = {"complete": 0, "failed": 1, "lost": 1, "interrupted": 130, "cancelled": 130}


def show_database(store: ResultStore, run: str | None) -> None:
    """Print every run of a database, or one with the cells that are not done."""
    if run is None:
        output().print(_runs_table(store.runs()))
        return
    summary = store.run(run)
    output().print(_runs_table([summary]))
    _print_cells(store, summary)


def watch_database(store: ResultStore, run: str | None) -> None:
    """Show a run, the latest by default, until it ends, and exit with its status."""
    summary = store.run(run)
    state = _watch(output(), ((_runs_table([one]), one.state) for one in _summaries(store, summary)))
    _print_cells(store, summary)
    raise typer.Exit(_EXIT_STATUS[state])


def show_head(head: Head, run: str | None) -> None:
    """Print every run that a head knows, or one."""
    output().print(_submitted_table(head, head.runs() if run is None else [head.run(run)]))


def watch_head(head: Head, run: str | None) -> None:
    """Show a submitted run, the latest by default, until it ends, and exit with its status."""
    states = head.watch(head.run(run))
    state = _watch(output(), ((_submitted_table(head, [one]), one.state) for one in states))
    raise typer.Exit(_EXIT_STATUS[state])


def _watch(console: Console, shown: Iterator[tuple[Table, str]]) -> str:
    """Redraw a table on a terminal, print it whenever it changes elsewhere, and return the last state."""
    state = ""
    if console.is_terminal:
        with Live(console=console) as live:
            for table, state in shown:  # noqa: B007 - the last one is returned
                live.update(table, refresh=True)
        return state
    last = None
    for table, state in shown:  # noqa: B007 - the last one is returned
        rows = [list(column.cells) for column in table.columns]
        if rows != last:
            console.print(table)
        last = rows
    return state


def _summaries(store: ResultStore, summary: RunSummary) -> Iterator[RunSummary]:
    while summary.state == "running":
        yield summary
        time.sleep(_LOOK_SECONDS)
        summary = store.run(summary.id)
    yield summary


def _runs_table(runs: list[RunSummary]) -> Table:
    table = Table("run", "name", "started", "state", caption="no runs yet" if not runs else None)
    for column in ("cells", "done", "failed", "measured"):
        table.add_column(column, justify="right")
    for run in runs:
        started = run.started_at.strftime("%Y-%m-%d %H:%M:%S")
        measured = f"{run.samples / run.requested_samples:.0%}" if run.requested_samples else ""
        counts = (str(run.cells), str(run.cells_done), str(run.cells_failed), measured)
        table.add_row(run.id, run.name, started, run.state, *counts)
    return table


def _submitted_table(head: Head, runs: list[SubmittedRun]) -> Table:
    table = Table("run", "name", "sent", "state", "last said", caption="no runs yet" if not runs else None)
    for run in runs:
        # Logs travel whole, so those of a list's finished runs stay where they are.
        said = head.log(run).splitlines()[-1:] if len(runs) == 1 or not run.finished else []
        sent = run.started_at.strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(run.run, Text(run.name), sent, run.state, Text("".join(said)))
    return table


def _print_cells(store: ResultStore, run: RunSummary) -> None:
    from orchestrator.grid.dataset_warnings import describe_warnings
    from orchestrator.grid.left_out import describe_left_out

    frame = store.results(run.id)
    table = Table("model", "dataset", "attack", "epsilon", "defense", "seed", "status", "error")
    for row in frame.filter(frame["status"] != "done").iter_rows(named=True):
        table.add_row(
            row["model"],
            row["dataset"],
            row["attack"],
            written_radius(row["epsilon"], row["norm"] or "linf"),
            row["defense"],
            str(row["seed"]),
            f"{row['status']} ({row['samples']} of {row['requested_samples']})",
            row["error"] or "",
        )
    output().print(table if table.row_count else f"all {len(frame)} cells are done")
    for line in (*describe_left_out(run.left_out), *describe_warnings(run.warnings)):
        print_line(output(), line)
