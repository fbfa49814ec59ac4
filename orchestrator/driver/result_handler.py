"""Where a run's results go as they come: to the writer, then into the progress that the user sees."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.driver.display import Reporter
from orchestrator.driver.progress import Progress
from orchestrator.scheduler.lease_manager import LeaseManager
from orchestrator.scheduler.task_queue import Task
from orchestrator.scheduler.worker_pool import WorkerCounts
from orchestrator.store import ResultStore, StoreUnavailableError
from orchestrator.writing.reconnect import DatabaseConnection, Say
from orchestrator.writing.writer import Writer
from scc_core.outcomes import Failure, Measurement

_HEARTBEAT_SECONDS = 10.0


class RunResultHandler:
    """Handles the results of one run.

    Args:
        run: the run's id.
        store: receives the run's heartbeat.
        connection: tells whether the database is up.
        writer: writes results.
        leases: of the driver.
        progress: counts results.
        reporter: shows the progress.
        say: prints one line for the user.
    """

    def __init__(
        self,
        run: str,
        store: ResultStore,
        connection: DatabaseConnection,
        writer: Writer,
        leases: LeaseManager,
        progress: Progress,
        reporter: Reporter,
        say: Say,
    ) -> None:
        self._run = run
        self._store = store
        self._connection = connection
        self._writer = writer
        self._leases = leases
        self._progress = progress
        self._reporter = reporter
        self._say = say
        self._last_heartbeat = progress.clock()

    def shard_measured(self, worker: int, task: Task, measurement: Measurement) -> set[str]:
        """Write and count the results of a shard; return the cells of which a block cannot be stored."""
        self._writer.add(measurement.results, task.shard.dataset)
        failed = self.count_unstorable()
        stored = [result for result in measurement.results if result.cell not in failed]
        self._progress.add(worker, task.shard.model.name, stored)
        return failed

    def count_unstorable(self) -> set[str]:
        """Count the cells as failed of which the writer found a block that cannot be stored; return them."""
        failed = self._writer.take_unstorable()
        if failed:
            self._leases.cells_failed(failed)
            self._progress.fail(sorted(failed))
        return failed

    def cells_failed(self, failures: Mapping[str, Failure]) -> None:
        """Write and count the cells that failed for good."""
        self._writer.add_failures(failures)
        self._leases.cells_failed(failures.keys())
        self._progress.fail(list(failures))

    def workers_counted(self, counts: WorkerCounts) -> None:
        """Show how many workers are in each state."""
        self._progress.worker_counts = counts

    def say(self, line: str) -> None:
        """Tell the user."""
        self._say(line)

    def tick(self) -> None:
        """Refresh the display, write what is due, and send the run's heartbeat when it is due."""
        self._reporter.refresh()
        self._writer.tick()
        self._leases.tick()
        if self._progress.clock() - self._last_heartbeat >= _HEARTBEAT_SECONDS and self._connection.is_up:
            self._last_heartbeat = self._progress.clock()
            try:
                self._store.heartbeat(self._run)
            except StoreUnavailableError as error:
                self._connection.lost(error)
