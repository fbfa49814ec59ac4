"""The driver of a run: plan, schedule, and the one writer of the database."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType

from rich.console import Console

from orchestrator.cluster.capacity import Pool, make_pool
from orchestrator.cluster.executor import ScheduleError
from orchestrator.cluster.options import RunOptions
from orchestrator.cluster.session import ray_session
from orchestrator.driver.progress import Progress, make_reporter
from orchestrator.driver.provenance import code_version, package_versions, python_version, this_machine
from orchestrator.driver.result_handler import RunSink
from orchestrator.grid.cell import Cell
from orchestrator.grid.expand import expand
from orchestrator.grid.fetch_models import fetch_models_of
from orchestrator.grid.left_out import left_out_of, print_left_out
from orchestrator.grid.schema import Grid, parse_grid
from orchestrator.plan.plan import Plan, describe_plan, make_plan
from orchestrator.results.badges import update_badges
from orchestrator.scheduler.device_speeds import HANG_SECONDS, Speeds
from orchestrator.scheduler.leases import Alone, Claims, Leases
from orchestrator.scheduler.scheduler import Schedule
from orchestrator.scheduler.task_queue import WorkQueue
from orchestrator.store import ResultStore, RunCancelledError, RunRecord, StoreUnavailableError, is_sqlite
from orchestrator.writing.driver_lock import sole_driver
from orchestrator.writing.reconnect import Contact, Say
from orchestrator.writing.spool import spool_of
from orchestrator.writing.writer import Writer, replay
from scc_core.datasets.pixels.disk_cache.this_machine import check_disk_cache
from scc_core.errors import SccBenchError, UserError


class RunInterruptedError(SccBenchError):
    """A run was stopped by Ctrl-C or SIGTERM; everything measured so far is in the database, or in the spool."""

    exit_status = 130

    def __init__(self, run: str, spooled: int = 0, ending: str = "was interrupted") -> None:
        where = f"waits on this machine ({spooled} blocks) for the database" if spooled else "is stored"
        super().__init__(f"run {run} {ending}; what was measured {where}, `sccbench resume {run}` continues")


class RunStoppedError(RunInterruptedError):
    """A run could not go on, for want of workers or of its cluster; everything measured so far is kept."""

    exit_status = 1


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
        UserError: the address or the number of workers is wrong, or another run has the database; nothing was computed.
        RunInterruptedError: interrupted; what was measured is stored and the run can be resumed.
        RunCancelledError: another process has cancelled it; what was measured is stored and the run can be resumed.
    """
    with sole_driver(store):
        replay(store, _sayer(console))
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
    with sole_driver(store):
        replay(store, _sayer(console))
        plan = make_plan(cells, store.measured_blocks)
        with _compute(plan, options) as pool:
            store.clear_failures(summary.id)
            store.note_facts(cells)
            store.set_submission(summary.id, submission)
            return _carry_out(summary.id, plan, store, pool, console)


@contextmanager
def _compute(plan: Plan, options: RunOptions) -> Iterator[Pool | None]:
    """Connect to Ray if there is anything to measure; what the user can mend is found before a run exists."""
    if not plan.missing:
        yield None
        return
    if options.address is None:
        # Workers of this machine would say so in their logs only.
        check_disk_cache()
    with ray_session(options.address):
        yield make_pool(options)


def _carry_out(run: str, plan: Plan, store: ResultStore, pool: Pool | None, console: Console) -> RunResult:
    say = _sayer(console)
    say(f"run {run}: {describe_plan(plan)}")
    progress = Progress(plan)
    spool = spool_of(store.url, run)
    contact = Contact(store, say, f"results wait in {spool.path.parent} until it is back")
    with leases_of(run, store, progress, contact) as leases:
        writer = Writer(run, store, spool, contact, say, leases)
        try:
            with _terminate_as_interrupt():
                if pool is not None:
                    with make_reporter(console, progress) as reporter:
                        sink = RunSink(run, store, contact, writer, leases, progress, reporter)
                        speeds = Speeds(pool.options.hang_seconds or HANG_SECONDS)
                        Schedule(WorkQueue(plan, leases), pool, sink, speeds).run()
                        # The workers are released by now: who waits for a database should not hold devices.
                        writer.finish()
                writer.insist(lambda: update_badges(store, run))
                failed = len(progress.failed_cells)
                writer.insist(lambda: store.finish_run(run, "failed" if failed else "complete"))
        except KeyboardInterrupt:
            raise RunInterruptedError(run, _interrupted(run, store, contact, writer)) from None
        except ScheduleError as error:
            spooled = _interrupted(run, store, contact, writer)
            raise RunStoppedError(run, spooled, f"cannot go on: {error}") from error
        except RunCancelledError:
            writer.stop()
            raise
    return RunResult(run, failed, plan.missing)


@contextmanager
def leases_of(run: str, store: ResultStore, progress: Progress, contact: Contact) -> Iterator[Claims]:
    """Give the claims of this driver: leases where it may not be the only one."""
    if is_sqlite(store.url):
        yield Alone()
        return
    leases = Leases(store, run, progress.elsewhere, contact)
    try:
        yield leases
    finally:
        leases.close()


def _interrupted(run: str, store: ResultStore, contact: Contact, writer: Writer) -> int:
    """Leave nothing that was measured in memory alone, and mark the run if the database can be reached.

    Returns:
        How many blocks wait in the spool.
    """
    spooled = writer.stop()
    # A run that cannot be marked counts as lost when it was silent for long enough, and is resumed all the same.
    with suppress(StoreUnavailableError):
        if not contact.away:
            store.finish_run(run, "interrupted")
    return spooled


def _sayer(console: Console) -> Say:
    return lambda line: console.print(line, highlight=False, markup=False, soft_wrap=True)


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
