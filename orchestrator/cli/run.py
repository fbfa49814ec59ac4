"""Commands that measure: plan, run, resume."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import (
    DEFAULT_DATABASE,
    Address,
    AnyAddress,
    BatchSize,
    Database,
    DeviceChoice,
    GpusPerWorker,
    GridPath,
    HangSeconds,
    NoPlugins,
    Strict,
    Workers,
    messages,
    output,
)
from orchestrator.cluster.options import Devices, RunOptions

if TYPE_CHECKING:
    from orchestrator.driver.driver import RunResult

EXIT_FAILED = 1
RunId = Annotated[str | None, typer.Argument(metavar="[RUN]", help="A run's id or its beginning. Default: the latest.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (plan, run, resume):
        app.command()(command)


def plan(
    grid: GridPath,
    db: Database = DEFAULT_DATABASE,
    workers: Workers = None,
    no_plugins: NoPlugins = False,
    strict: Strict = False,
) -> None:
    """Show what a run would do: cells, shards, what is already measured, and an estimate of the time."""
    from orchestrator.grid.schema import load_grid

    _allow_plugins(not no_plugins)

    checked, _ = load_grid(grid)

    from orchestrator.cli.output.plan import show_plan

    show_plan(checked, db, workers, output(), strict=strict)


def run(
    grid: GridPath,
    db: Database = DEFAULT_DATABASE,
    address: Address = None,
    workers: Workers = None,
    batch_size: BatchSize = None,
    devices: DeviceChoice = Devices.AUTO,
    gpus_per_worker: GpusPerWorker = 1.0,
    hang_seconds: HangSeconds = None,
    no_plugins: NoPlugins = False,
    strict: Strict = False,
) -> None:
    """Measure every cell of a grid that the database does not hold yet."""
    _allow_plugins(not no_plugins)
    options = RunOptions(address, workers, batch_size, devices, gpus_per_worker, hang_seconds)
    finish(start(grid, db, options, strict=strict))


def resume(
    run: RunId = None,
    db: Database = DEFAULT_DATABASE,
    address: AnyAddress = None,
    workers: Workers = None,
    batch_size: BatchSize = None,
    devices: DeviceChoice = Devices.AUTO,
    gpus_per_worker: GpusPerWorker = 1.0,
    hang_seconds: HangSeconds = None,
    no_plugins: NoPlugins = False,
) -> None:
    """Continue a run that was interrupted; cells that failed are tried again."""
    options = RunOptions(address, workers, batch_size, devices, gpus_per_worker, hang_seconds)
    if address is not None and address.startswith(("http://", "https://")):
        from orchestrator.cli.submit import submit_resume

        submit_resume(run, address, replace(options, address="auto"), plugins=not no_plugins)
        return

    from orchestrator.driver.driver import resume as resume_run
    from orchestrator.store import ResultStore

    _allow_plugins(not no_plugins)
    with ResultStore.open(db, create=False) as store:
        finish(_report(resume_run(run, store, options, output())))


def start(grid: Path, db: str, options: RunOptions, *, strict: bool = False) -> RunResult:
    """Run a grid and say how it ended; ``strict`` refuses datasets that leave something out.

    Raises:
        UserError: the grid, the database or the options are wrong; nothing was computed.
    """
    from orchestrator.grid.schema import load_grid

    # A wrong key is told before torch and Ray are loaded, which takes seconds.
    checked, text = load_grid(grid)

    from orchestrator.driver.driver import start as start_run
    from orchestrator.grid.expand import expand
    from orchestrator.grid.fetch_models import fetch_models_of
    from orchestrator.grid.left_out import refuse_left_out
    from orchestrator.store import ResultStore

    fetch_models_of(checked, messages())
    # Before the database is opened, so that a wrong grid leaves no file behind.
    cells = expand(checked)
    if strict:
        refuse_left_out(cells)
    with ResultStore.open(db) as store:
        return _report(start_run(checked, text, cells, store, options, output()))


def _allow_plugins(allowed: bool) -> None:
    from scc_core.components.registry import Registry

    Registry.plugins_allowed = allowed


def finish(result: RunResult) -> None:
    """Exit with the status of a run that has failed cells; return when it has none."""
    if result.failed:
        raise typer.Exit(EXIT_FAILED)


def _report(result: RunResult) -> RunResult:
    verdict = "all cells done" if not result.failed else f"{result.failed} cells failed: sccbench status {result.run}"
    output().print(f"run {result.run}: {verdict}", highlight=False, soft_wrap=True)
    return result
