"""The exit status of the commands that measure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from orchestrator.driver.driver import RunResult

EXIT_FAILED = 1


def finish(result: RunResult) -> None:
    """Exit with the status of a run that has failed cells; return when it has none."""
    if result.failed:
        raise typer.Exit(EXIT_FAILED)
