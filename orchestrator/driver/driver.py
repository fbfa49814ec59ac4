"""The driver of a run: it plans, schedules and writes, and it alone writes results to the database."""

from __future__ import annotations

import json
import signal
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import current_thread, main_thread
from types import FrameType

from orchestrator.cluster.capacity import ClusterCapacity, cluster_capacity
from orchestrator.cluster.executor import ClusterError
from orchestrator.cluster.options import RunOptions
from orchestrator.cluster.session import ray_session
from orchestrator.driver.display import Display
from orchestrator.driver.prepare import PreparedGrid
from orchestrator.driver.progress import Progress
from orchestrator.driver.provenance import code_version, package_versions, python_version, this_machine
from orchestrator.driver.result_handler import RunResultHandler
from orchestrator.grid.code import code_differences
from orchestrator.grid.dataset_warnings import describe_warnings, warnings_of
from orchestrator.grid.left_out import describe_left_out, left_out_of
from orchestrator.plan.changed_code import changed_code
from orchestrator.plan.plan import Plan, describe_plan, make_plan
from orchestrator.results.badges import update_badges
from orchestrator.scheduler.device_speeds import HANG_SECONDS, DeviceSpeeds
from orchestrator.scheduler.leases import open_leases
from orchestrator.scheduler.scheduler import Scheduler
from orchestrator.scheduler.task_queue import TaskQueue
from orchestrator.store import ResultStore, RunCancelledError, RunRecord, StoreUnavailableError
from orchestrator.writing.driver_lock import driver_lock
from orchestrator.writing.reconnect import DatabaseConnection
from orchestrator.writing.spool import spool_of
from orchestrator.writing.writer import Writer, write_leftover_spools
from scc_core.datasets.pixels.disk_cache.this_machine import check_disk_cache
from scc_core.errors import SccBenchError, UserError


class RunInterruptedError(SccBenchError):
    """A run was stopped by Ctrl-C or SIGTERM; what was measured is in the database or in the spool."""

    exit_status = 130

    def __init__(self, run: str, spooled: int = 0, ending: str = "was interrupted") -> None:
        where = f"waits on this machine ({spooled} blocks) for the database" if spooled else "is stored"
        super().__init__(f"run {run} {ending}; what was measured {where}, `sccbench resume {run}` continues")


class RunStoppedError(RunInterruptedError):
    """A run lost its workers or its cluster; what was measured is in the database or in the spool."""

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

    @property
    def verdict(self) -> str:
        """Return in a few words whether all cells are done, and the command that shows those that failed."""
        return f"{self.failed} cells failed: sccbench status {self.run}" if self.failed else "all cells done"


def start(
    prepared: PreparedGrid,
    store: ResultStore,
    options: RunOptions,
    display: Display,
    submission_id: str | None = None,
) -> RunResult:
    """Measure what the database lacks of a grid, as a new run.

    Args:
        prepared: the grid and its cells.
        store: where results go.
        options: how to use a cluster or this machine.
        display: shows what happens.
        submission_id: of the job that asks for the run, whose id the run takes; None without a job.

    Raises:
        UserError: the options are wrong, or another driver has the database; nothing was computed.
        RunInterruptedError: the run was interrupted; it can be resumed.
        RunCancelledError: another process cancelled the run; it can be resumed.
    """
    record = RunRecord(
        name=prepared.grid.name,
        grid_text=prepared.text,
        grid=json.loads(prepared.grid.model_dump_json()),
        code_version=code_version(),
        python_version=python_version(),
        packages=package_versions(),
        machine=this_machine(),
        submission=submission_id,
        left_out=left_out_of(prepared.cells),
        warnings=warnings_of(prepared.cells),
    )
    with driver_lock(store):
        write_leftover_spools(store, display.say)
        plan = make_plan(prepared.cells, store.measured_blocks)
        with _connected_cluster(plan, options, prepared.grid.cpu_threads) as capacity:
            doubts = (*describe_left_out(record.left_out), *describe_warnings(record.warnings))
            for line in (*doubts, *changed_code(plan, store)):
                display.say(line)
            run = store.start_run(record, prepared.cells, submission_id)
            return _measure(run, plan, store, capacity, display)


def resume(
    run: str,
    prepared: PreparedGrid,
    store: ResultStore,
    options: RunOptions,
    display: Display,
    submission_id: str | None = None,
) -> RunResult:
    """Measure what an earlier run still lacks; cells that failed are tried again.

    Args:
        run: its id.
        prepared: its grid and the cells to which the grid expands today.
        store: where its results are.
        options: how to use a cluster or this machine.
        display: shows what happens.
        submission_id: of the job that asks for it; None without a job.

    Raises:
        UserError: its cells are no longer the same, the options are wrong, or another driver has the database.
        RunInterruptedError: the run was interrupted; it can be resumed.
        RunCancelledError: another process cancelled the run; it can be resumed.
    """
    planned = store.run_cells(run)
    gone = set(planned) - {cell.key for cell in prepared.cells}
    if gone:
        raise UserError(
            f"{len(gone)} of the {len(planned)} cells of run {run} cannot be continued: the code, the weights or the "
            f"data are no longer those that it was planned with{_what_is_other(run, gone, prepared, store)}; start a "
            "new run of its grid instead"
        )
    with driver_lock(store):
        write_leftover_spools(store, display.say)
        plan = make_plan(prepared.cells, store.measured_blocks)
        with _connected_cluster(plan, options, prepared.grid.cpu_threads) as capacity:
            store.clear_failures(run)
            store.note_facts(prepared.cells)
            store.set_submission(run, submission_id)
            return _measure(run, plan, store, capacity, display)


def _what_is_other(run: str, gone: Collection[str], prepared: PreparedGrid, store: ResultStore) -> str:
    """Return in brackets which code is another one than that of cells of a run; nothing where it is not the code."""
    former = [cell.specification for cell in store.cells(run) if cell.key in gone]
    said = code_differences(former, (cell.specification() for cell in prepared.cells))
    return f" ({'; '.join(f'{words} the run' for words in said)})" if said else ""


@contextmanager
def _connected_cluster(plan: Plan, options: RunOptions, cpu_threads: int) -> Iterator[ClusterCapacity | None]:
    """Connect to Ray if anything is to be measured; errors of the user are found before the run is stored."""
    if not plan.missing:
        yield None
        return
    if options.address is None:
        # Workers would say in their logs only that the disk cache of this machine cannot be used.
        check_disk_cache()
    with ray_session(options.address):
        capacity = cluster_capacity(options, cpu_threads)
        _check_precision(plan, capacity)
        yield capacity


def _check_precision(plan: Plan, capacity: ClusterCapacity) -> None:
    """Refuse a precision that some of the workers would not have: a CPU has no TF32.

    Raises:
        UserError: there is such a worker.
    """
    precisions = {cell.precision for span in plan.spans for cell in span.cells}
    if "tf32" in precisions and any(not slots.resources.num_gpus for slots in capacity.slots()):
        raise UserError(
            "precision tf32 exists on GPUs only: take precision float32, or --devices gpu where there are GPUs"
        )


def _measure(run: str, plan: Plan, store: ResultStore, capacity: ClusterCapacity | None, display: Display) -> RunResult:
    """Measure what is missing and mark the run as ended; ``capacity`` is None where nothing is missing."""
    display.say(f"run {run}: {describe_plan(plan)}")
    progress = Progress(plan)
    spool = spool_of(store.url, run)
    connection = DatabaseConnection(store, display.say, f"results wait in {spool.path.parent} until it is back")
    with open_leases(store, run, progress.count_blocks, connection) as leases:
        writer = Writer(run, store, spool, connection, display.say, leases)
        try:
            with _sigterm_as_interrupt():
                if capacity is not None:
                    with display.reporter(progress) as reporter:
                        results = RunResultHandler(
                            run, store, connection, writer, leases, progress, reporter, display.say
                        )
                        speeds = DeviceSpeeds(capacity.options.hang_seconds or HANG_SECONDS)
                        Scheduler(TaskQueue(plan, leases), capacity, results, speeds).run()
                        # The scheduler has stopped all workers: no device is held while the database is waited for.
                        writer.finish()
                        results.count_unstorable()
                writer.retry(lambda: update_badges(store, run))
                failed = len(progress.failed_cells)
                writer.retry(lambda: store.finish_run(run, "failed" if failed else "complete"))
        except KeyboardInterrupt:
            raise RunInterruptedError(run, _stop_early(run, store, connection, writer)) from None
        except ClusterError as error:
            spooled = _stop_early(run, store, connection, writer)
            raise RunStoppedError(run, spooled, f"cannot go on: {error}") from error
        except RunCancelledError:
            writer.stop()
            raise
    return RunResult(run, failed, plan.missing)


def _stop_early(run: str, store: ResultStore, connection: DatabaseConnection, writer: Writer) -> int:
    """Write or spool what was measured, and mark the run as interrupted if the database is up.

    Returns:
        How many blocks wait in the spool.
    """
    spooled = writer.stop()
    # A run without the mark counts as lost once its heartbeat is old, and can be resumed as well.
    with suppress(StoreUnavailableError):
        if connection.is_up:
            store.finish_run(run, "interrupted")
    return spooled


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """Treat SIGTERM like Ctrl-C, so that the run is marked as interrupted when its driver is stopped."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    # Python lets the main thread alone handle signals; a run that another one starts is stopped by its own program.
    if current_thread() is not main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
