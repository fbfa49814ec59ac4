"""The driver of a submitted run, on the head: everything is checked there before the run exists."""

from __future__ import annotations

import typer
from rich.console import Console

from orchestrator.driver.driver import RunResult, resume, start
from orchestrator.grid.expand import expand
from orchestrator.grid.fetch_models import fetch_models_of
from orchestrator.grid.left_out import refuse_left_out
from orchestrator.grid.schema import parse_grid
from orchestrator.jobs.job_spec import Order, unpack_grid
from orchestrator.store import ResultStore
from orchestrator.store.credentials import database_of_head
from scc_core.components.registry import Registry
from scc_core.machine import settings

_EXIT_FAILED = 1


def carry_out(text: str, console: Console) -> None:
    """Do what an order says, and exit with the status of the run.

    Raises:
        UserError: the versions, the database, the grid or the cluster are not as the run needs them; nothing was done.
    """
    order = Order.parse(text)
    Registry.plugins_allowed = order.plugins
    with ResultStore.open(database_of_head(), create=not order.resume) as store:
        result = _resume(order, store, console) if order.resume else _start(order, store, console)
    verdict = "all cells done" if not result.failed else f"{result.failed} cells failed: sccbench status {result.run}"
    console.print(f"run {result.run}: {verdict}", highlight=False, soft_wrap=True)
    if result.failed:
        raise typer.Exit(_EXIT_FAILED)


def _start(order: Order, store: ResultStore, console: Console) -> RunResult:
    text = unpack_grid(settings.GRID.read())
    grid = parse_grid(text, "the submitted grid")
    fetch_models_of(grid, console)
    cells = expand(grid)
    if order.strict:
        refuse_left_out(cells)
    return start(grid, text, cells, store, order.options, console, submission=order.submission)


def _resume(order: Order, store: ResultStore, console: Console) -> RunResult:
    return resume(order.run, store, order.options, console, order.submission)
