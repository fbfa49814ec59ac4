"""The driver of a run: plan, schedule, and the one writer of the database."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from rich.console import Console

from orchestrator.badges import update_badges
from orchestrator.cluster import ray_session
from orchestrator.expansion import expand
from orchestrator.fetching import fetch_models_of
from orchestrator.grid import Grid, parse_grid
from orchestrator.identity import Cell
from orchestrator.left_out import left_out_of, print_left_out
from orchestrator.options import RunOptions
from orchestrator.plan import Plan, make_plan
from orchestrator.pool import Pool, make_pool
from orchestrator.progress import Progress, Reporter, make_reporter
from orchestrator.queue import Task, WorkQueue
from orchestrator.schedule import Schedule
from orchestrator.store import ResultStore, RunRecord
from orchestrator.versions import code_version, package_versions, python_version, this_machine
from scc_core.errors import SccBenchError, UserError
from scc_core.measurement import Failure, Measurement

_HEARTBEAT_SECONDS = 10.0


class RunInterruptedError(SccBenchError):
    """A run was stopped by Ctrl-C or SIGTERM; everything measured so far is in the database."""

    exit_status = 130

    def __init__(self, run: str) -> None:
        super().__init__(f"run {run} was interrupted; what was measured is stored, `sccbench resume {run}` continues")


@dataclass(frozen=True)
class RunResult:
    """How a run ended.

    Attributes:
        run: its id.
        failed: number of cells that failed.
        measured: number of cell blocks that this call measured.
    """

    run: str
    failed: int
    measured: int


def start(
    grid: Grid,
    text: str,
    cells: Mapping[Cell, int],
    store: ResultStore,
    options: RunOptions,
    console: Console,
    submission: str | None = None,
) -> RunResult:
    """Measure what the database lacks of a grid, as a new run.

    Args:
        grid: as checked.
        text: as the user wrote it, to be stored with the run.
        cells: the grid's cells, each with the number of samples asked for.
        store: where results go.
        options: how to use the machine.
        console: where progress is shown.
        submission: the job that asked for the run, whose id the run takes; None for a command.

    Raises:
        UserError: the address or the number of workers is wrong; nothing was computed.
        RunInterruptedError: interrupted; what was measured is stored and the run can be resumed.
    """
    plan = make_plan(cells, store.measured_blocks)
    with _compute(plan, options) as pool:
        print_left_out(cells, console)
        run = store.start_run(_record(grid, text, submission, cells), cells, submission)
        return _carry_out(run, plan, store, pool, console)


def resume(
    run: str | None, store: ResultStore, options: RunOptions, console: Console, submission: str | None = None
) -> RunResult:
    """Measure what an earlier run still lacks; cells that failed are tried again.

    Args:
        run: its id or the beginning of it; None takes the latest.
        store: where results are.
        options: how to use the machine.
        console: where progress is shown.
        submission: the job that asks for it; None for a command.

    Raises:
        UserError: no such run, or its cells cannot be the same any more.
    """
    summary = store.run(run)
    grid = parse_grid(summary.grid_text, f"the grid of run {summary.id}")
    fetch_models_of(grid, console)
    cells = expand(grid)
    _check_same_cells(summary.id, cells, store)
    plan = make_plan(cells, store.measured_blocks)
    with _compute(plan, options) as pool:
        store.clear_failures(summary.id)
        store.set_submission(summary.id, submission)
        return _carry_out(summary.id, plan, store, pool, console)


@contextmanager
def _compute(plan: Plan, options: RunOptions) -> Iterator[Pool | None]:
    """Connect to Ray if there is anything to measure; the address and the workers are checked before a run exists."""
    if not plan.missing:
        yield None
        return
    with ray_session(options.address):
        yield make_pool(options.num_workers, options.batch_size)


def _carry_out(run: str, plan: Plan, store: ResultStore, pool: Pool | None, console: Console) -> RunResult:
    console.print(f"run {run}: {describe_plan(plan)}", highlight=False, soft_wrap=True)
    progress = Progress(plan)
    try:
        if pool is not None:
            _measure(run, progress, store, pool, console)
        update_badges(store, run)
    except KeyboardInterrupt:
        store.finish_run(run, "interrupted")
        raise RunInterruptedError(run) from None
    failed = len(progress.failed_cells)
    store.finish_run(run, "failed" if failed else "complete")
    return RunResult(run, failed, plan.missing)


def _measure(run: str, progress: Progress, store: ResultStore, pool: Pool, console: Console) -> None:
    with _terminate_as_interrupt(), make_reporter(console, progress) as reporter:
        sink = _Sink(run, store, progress, reporter)
        queue = WorkQueue(progress.plan, pool.num_workers)
        Schedule(queue, pool.resources, pool.num_workers, sink).run()


class _Sink:
    """Writes results as they come, then counts them."""

    def __init__(self, run: str, store: ResultStore, progress: Progress, reporter: Reporter) -> None:
        self._run = run
        self._store = store
        self._progress = progress
        self._reporter = reporter
        self._last_heartbeat = progress.clock()

    def measured(self, worker: int, task: Task, measurement: Measurement) -> None:
        self._store.write_blocks(self._run, measurement.results)
        self._progress.add(worker, task.shard.model, measurement.results)

    def failed(self, failures: Mapping[str, Failure]) -> None:
        for cell, failure in failures.items():
            self._store.fail_cells(self._run, [cell], failure.error, failure.traceback)
        self._progress.fail(list(failures))

    def tick(self) -> None:
        self._reporter.refresh()
        if self._progress.clock() - self._last_heartbeat >= _HEARTBEAT_SECONDS:
            self._last_heartbeat = self._progress.clock()
            self._store.heartbeat(self._run)


def describe_plan(plan: Plan) -> str:
    """Return one line: how many cells, what is measured already, what is missing."""
    total = plan.measured + plan.missing
    if not plan.missing:
        return f"all {len(plan.cells)} cells are measured already; nothing to compute"
    return f"{len(plan.cells)} cells in {total} blocks, {plan.measured} measured already, {plan.missing} to measure"


def _check_same_cells(run: str, cells: Mapping[Cell, int], store: ResultStore) -> None:
    planned = store.run_cells(run)
    gone = set(planned) - {cell.key for cell in cells}
    if gone:
        raise UserError(
            f"{len(gone)} of the {len(planned)} cells of run {run} cannot be continued: the code, the weights or the "
            "data are no longer those that it was planned with; start a new run of its grid instead"
        )


@contextmanager
def _terminate_as_interrupt() -> Iterator[None]:
    """Treat SIGTERM like Ctrl-C, so that a stopped driver leaves a run that says it was interrupted."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _record(grid: Grid, text: str, submission: str | None, cells: Mapping[Cell, int]) -> RunRecord:
    return RunRecord(
        name=grid.name,
        grid_text=text,
        grid=json.loads(grid.model_dump_json()),
        code_version=code_version(),
        python_version=python_version(),
        packages=package_versions(),
        machine=this_machine(),
        submission=submission,
        left_out=left_out_of(cells),
    )
