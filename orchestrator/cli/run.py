"""Commands that measure: plan, run, resume."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.exit_status import finish
from orchestrator.cli.options import (
    DEFAULT_DATABASE,
    Address,
    AnyAddress,
    Database,
    GridPath,
    NoPlugins,
    Strict,
    Workers,
    messages,
    output,
    takes_run_options,
)
from orchestrator.cluster.options import RunOptions
from scc_core.components.registry import Registry

if TYPE_CHECKING:
    from orchestrator.driver.driver import RunResult

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
    """Show what a run would do: cells, blocks, what is already measured, and an estimate of the time."""
    from orchestrator.grid.schema import load_grid

    Registry.plugins_allowed = not no_plugins
    # A wrong key is told before torch is loaded, which takes seconds.
    checked, _ = load_grid(grid)

    from orchestrator.cli.output.plan import show_plan

    show_plan(checked, db, workers, output(), strict=strict)


@takes_run_options
def run(
    grid: GridPath,
    db: Database = DEFAULT_DATABASE,
    address: Address = None,
    *,
    options: RunOptions,
    no_plugins: NoPlugins = False,
    strict: Strict = False,
) -> None:
    """Measure every cell of a grid that the database does not hold yet."""
    Registry.plugins_allowed = not no_plugins
    finish(start(grid, db, replace(options, address=address), strict=strict))


@takes_run_options
def resume(
    run: RunId = None,
    db: Database = DEFAULT_DATABASE,
    address: AnyAddress = None,
    *,
    options: RunOptions,
    no_plugins: NoPlugins = False,
) -> None:
    """Continue a run that was interrupted; cells that failed are tried again."""
    if address is not None and address.startswith(("http://", "https://")):
        from orchestrator.cli.submit import submit_resume

        submit_resume(run, address, replace(options, address="auto"), plugins=not no_plugins)
        return

    from orchestrator.driver.api import resume_run
    from orchestrator.driver.display import ConsoleDisplay

    Registry.plugins_allowed = not no_plugins
    display = ConsoleDisplay(output(), messages())
    finish(resume_run(run, db, replace(options, address=address), display))


def start(grid: Path, db: str, options: RunOptions, *, strict: bool = False) -> RunResult:
    """Run a grid and say how it ended; ``strict`` refuses datasets that leave something out.

    Raises:
        UserError: the grid, the database or the options are wrong; nothing was computed.
    """
    from orchestrator.grid.schema import load_grid

    # A wrong key is told before torch and Ray are loaded, which takes seconds.
    checked, text = load_grid(grid)

    from orchestrator.driver.api import run_grid
    from orchestrator.driver.display import ConsoleDisplay

    return run_grid(checked, text, db, options, ConsoleDisplay(output(), messages()), strict=strict)
