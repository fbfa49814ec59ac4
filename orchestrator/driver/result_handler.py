"""Where a run's results go as they come: to the writer, then into the figures that the user sees."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.driver.progress import Progress, Reporter
from orchestrator.scheduler.leases import Claims
from orchestrator.scheduler.task_queue import Task
from orchestrator.store import ResultStore, StoreUnavailableError
from orchestrator.writing.reconnect import Contact
from orchestrator.writing.writer import Writer
from scc_core.outcomes import Failure, Measurement

_HEARTBEAT_SECONDS = 10.0


class RunSink:
    """Takes what the schedule brings.

    Args:
        run: the run's id.
        store: which is told that the run is alive.
        contact: knows whether the database is away.
        writer: writes results.
        claims: what this driver alone may measure.
        progress: counts them.
        reporter: shows the count.
    """

    def __init__(
        self,
        run: str,
        store: ResultStore,
        contact: Contact,
        writer: Writer,
        claims: Claims,
        progress: Progress,
        reporter: Reporter,
    ) -> None:
        self._run = run
        self._store = store
        self._contact = contact
        self._writer = writer
        self._claims = claims
        self._progress = progress
        self._reporter = reporter
        self._last_heartbeat = progress.clock()

    def measured(self, worker: int, task: Task, measurement: Measurement) -> None:
        """Take the results of a shard."""
        self._writer.measured(measurement.results)
        self._progress.add(worker, task.shard.model.name, measurement.results)

    def failed(self, failures: Mapping[str, Failure]) -> None:
        """Take the cells that are given up."""
        self._writer.failed(failures)
        self._claims.give_up(failures.keys())
        self._progress.fail(list(failures))

    def staffed(self, ready: int, loading: int, wished: int) -> None:
        """Take how many workers there are."""
        self._progress.staffed(ready, loading, wished)

    def tick(self) -> None:
        """Show how far the run is, write what is due, and tell the database that the run is alive."""
        self._reporter.refresh()
        self._writer.tick()
        self._claims.tick()
        if self._progress.clock() - self._last_heartbeat >= _HEARTBEAT_SECONDS and not self._contact.away:
            self._last_heartbeat = self._progress.clock()
            try:
                self._store.heartbeat(self._run)
            except StoreUnavailableError as error:
                self._contact.lose(error)
