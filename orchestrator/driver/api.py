"""The two calls that measure: a grid as a new run, and the rest of an earlier run; both prepare it the same way.

The commands ``run`` and ``resume`` call them, and so does the job that ``submit`` sends to the head of a cluster.
"""

from __future__ import annotations

from orchestrator.cluster.options import RunOptions
from orchestrator.driver.display import Display
from orchestrator.driver.driver import RunResult, resume, start
from orchestrator.driver.prepare import prepare
from orchestrator.grid.schema import Grid, parse_grid
from orchestrator.store import ResultStore, database_exists


def run_grid(
    grid: Grid,
    text: str,
    database: str,
    options: RunOptions,
    display: Display,
    *,
    strict: bool = False,
    submission_id: str | None = None,
) -> RunResult:
    """Measure what a database lacks of a grid, as a new run.

    Args:
        grid: as checked.
        text: as the user wrote it, which is stored with the run.
        database: URL of the results database, which is made if it does not exist.
        options: how to use a cluster or this machine.
        display: shows what happens.
        strict: whether datasets that leave something out are refused.
        submission_id: of the job that asks for the run, whose id the run takes; None without a job.

    Raises:
        UserError: the grid, the database or the options are wrong; nothing was computed.
        RunInterruptedError: the run was interrupted; it can be resumed.
        RunCancelledError: another process cancelled the run; it can be resumed.
    """
    # A database that cannot be used is told before anything is downloaded, and a wrong grid leaves no file behind.
    if database_exists(database):
        ResultStore.open(database).close()
    prepared = prepare(grid, text, display.notice, strict=strict)
    with ResultStore.open(database) as store:
        result = start(prepared, store, options, display, submission_id)
    display.say(f"run {result.run}: {result.verdict}")
    return result


def resume_run(
    run: str | None, database: str, options: RunOptions, display: Display, *, submission_id: str | None = None
) -> RunResult:
    """Measure what an earlier run still lacks; cells that failed are tried again.

    Args:
        run: its id or the beginning of it; None takes the latest.
        database: URL of the results database, which must exist.
        options: how to use a cluster or this machine.
        display: shows what happens.
        submission_id: of the job that asks for it; None without a job.

    Raises:
        UserError: there is no such run, or its cells cannot be the same any more; nothing was computed.
        RunInterruptedError: the run was interrupted; it can be resumed.
        RunCancelledError: another process cancelled the run; it can be resumed.
    """
    with ResultStore.open(database, create=False) as store:
        summary = store.run(run)
        grid = parse_grid(summary.grid_text, f"the grid of run {summary.id}")
        prepared = prepare(grid, summary.grid_text, display.notice, stored=True)
        result = resume(summary.id, prepared, store, options, display, submission_id)
    display.say(f"run {result.run}: {result.verdict}")
    return result
