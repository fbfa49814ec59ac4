"""The schedule: bounded work in flight on workers that come and go, and a second life for what a dead one held."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from orchestrator.cluster.capacity import Pool
from orchestrator.cluster.executor import CallFailedError, Crew, RayCrew, ScheduleError, WorkerLostError
from orchestrator.scheduler.device_speeds import Speeds
from orchestrator.scheduler.task_queue import Piece, Task, WorkQueue
from orchestrator.scheduler.worker_pool import Call, Staff, Worker
from scc_core.outcomes import Failure, Measurement
from workers.report import Introduction, Report

TASKS_PER_WORKER = 2
"""One that runs and one that waits at the worker, so that it never idles while the driver writes."""
_WAKE_SECONDS = 1.0
_LATE = 2.0
"""Times what it should take, after which a shard is given to an idle worker as well."""
_NODE_SECONDS = 60.0
"""A run that is over sooner is not worth another node."""


class Sink(Protocol):
    """Where results go as they come; called in the driver only."""

    def measured(self, worker: int, task: Task, measurement: Measurement) -> None:
        """Take the results of a shard, none of which it was given before."""

    def failed(self, failures: dict[str, Failure]) -> None:
        """Take the cells that are given up."""

    def staffed(self, ready: int, loading: int, wished: int) -> None:
        """Take how many workers there are, how many are getting ready, and for how many there is no room yet."""

    def tick(self) -> None:
        """Called about once a second, whatever happens."""


@dataclass
class Schedule:
    """Runs a queue on a pool of workers.

    Args:
        queue: what to do.
        pool: how many workers there may be.
        sink: where results go.
        speeds: what is known of devices.
        crew: starts workers and talks to them.
        clock: in seconds.
    """

    queue: WorkQueue
    pool: Pool
    sink: Sink
    speeds: Speeds = field(default_factory=Speeds)
    crew: Crew = field(default_factory=RayCrew)
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._staff = Staff(self.pool, self.crew, self.clock)
        self._calls: dict[Any, tuple[Worker, Call]] = {}
        self._watched_at = self.clock()

    def run(self) -> None:
        """Return when the queue is empty and every result is in the sink.

        Raises:
            ScheduleError: workers die one after another without finishing anything, or the cluster is gone.
        """
        try:
            while self._unfinished():
                self.queue.refresh()
                self._fill()
                waiting = max(1, self.queue.waiting_blocks) if self.queue.available else 0
                self._staff.adjust(waiting, busy=self._busy())
                self.sink.staffed(*self._staff.counts())
                for ticket in self.crew.wait([*self._calls, *self._staff.starting], _WAKE_SECONDS):
                    self._take(ticket)
                self._end_the_hung()
                self.sink.tick()
        except ConnectionError as error:
            raise ScheduleError(f"the Ray cluster is gone ({str(error).partition(chr(10))[0]})") from error
        finally:
            self._staff.stop()

    def _unfinished(self) -> bool:
        in_hand = self.queue.available or self.queue.waiting
        return in_hand or any(not call.task.settled for _, call in self._calls.values())

    def _busy(self) -> bool:
        """Whether what is left takes so long that another node is worth its start."""
        seconds = self.speeds.seconds_of_work(self.queue.waiting_work)
        return seconds is None or seconds > _NODE_SECONDS * max(1, len(self._staff.workers))

    def _fill(self) -> None:
        """Give everybody something to do, those with nothing first."""
        for depth in range(TASKS_PER_WORKER):
            for worker in self._staff.workers:
                if len(worker.held) == depth and self.queue.available:
                    self._give_next(worker)
        if not self.queue.available:
            self._copy_the_late()

    def _give_next(self, worker: Worker) -> None:
        # Those that are on their way will want their share.
        hands = len(self._staff.workers) + len(self._staff.starting)
        fair = self.queue.waiting_blocks // (TASKS_PER_WORKER * hands)

        def size(piece: Piece) -> int:
            return self.speeds.shard_blocks(worker.device, piece, fair)

        task = self.queue.take(worker.model, self._staff.holders, size)
        if task is not None:
            self._give(worker, task)

    def _give(self, worker: Worker, task: Task) -> None:
        self._staff.assign(worker, task.shard.model.name)
        batch_size = self.speeds.batch_size(worker.device, task.shard.model.name)
        call = Call(task, self.crew.run(worker.handle, task.shard, batch_size), self.clock())
        worker.held.append(call)
        self._calls[call.ticket] = (worker, call)

    def _copy_the_late(self) -> None:
        """Give what waits or takes too long to idle workers as well; whoever answers first counts."""
        idle = [worker for worker in self._staff.workers if not worker.held]
        if idle:
            for worker, task in zip(idle, list(self._late()), strict=False):
                task.copies += 1
                self._give(worker, task)

    def _late(self) -> Iterator[Task]:
        """Yield tasks that one worker holds for longer than they should take, the longest first."""
        now = self.clock()
        held = [pair for pair in self._calls.values() if pair[1].task.copies == 1 and not pair[1].task.settled]
        for worker, call in sorted(held, key=lambda pair: pair[1].since):
            expected = self.speeds.expected_seconds(worker.device, call.task)
            running = call is worker.held[0]
            patience = _WAKE_SECONDS if not running else None if expected is None else _LATE * expected + _WAKE_SECONDS
            if patience is not None and now - call.since > patience:
                yield call.task

    def _take(self, ticket: Any) -> None:
        """Take an answer."""
        if ticket in self._staff.starting:
            self._take_newcomer(ticket)
        elif ticket in self._calls:
            self._take_report(*self._calls[ticket])

    def _take_newcomer(self, ticket: Any) -> None:
        try:
            answer = self.crew.answer(ticket)
        except (WorkerLostError, CallFailedError) as error:
            self._staff.lost(self._staff.starting.pop(ticket), str(error))
        else:
            self._staff.arrived(ticket, answer if isinstance(answer, Introduction) else None)

    def _take_report(self, worker: Worker, call: Call) -> None:
        try:
            report = self.crew.answer(call.ticket)
        except WorkerLostError as error:
            self._bury(worker, str(error), out_of_memory=error.out_of_memory)
        except CallFailedError as error:
            self._done(worker, call, Report(failures=dict.fromkeys(call.task.shard.defenses, error.failure)))
        else:
            assert isinstance(report, Report)
            self._done(worker, call, report)

    def _done(self, worker: Worker, call: Call, report: Report) -> None:
        del self._calls[call.ticket]
        worker.held.remove(call)
        worker.idle_since = self.clock()
        if worker.held:
            worker.held[0].since = worker.idle_since
        self.speeds.record(worker.device, call.task, report)
        accepted = self.queue.accept(call.task, report)
        if accepted.results:
            self._staff.fruitful()
            self.sink.measured(worker.number, call.task, Measurement(accepted.results))
        self._give_up(accepted.given_up)
        if report.leaving:
            self._part(worker, "it was told to go")
            self._staff.release(worker)

    def _bury(self, worker: Worker, reason: str, *, out_of_memory: bool = False) -> None:
        self._part(worker, reason, blamed=worker.held[0], out_of_memory=out_of_memory)
        self._staff.lost(worker, reason)

    def _part(self, worker: Worker, reason: str, *, blamed: Call | None = None, out_of_memory: bool = False) -> None:
        """Take back what a worker holds that will not answer."""
        for call in worker.held:
            self._calls.pop(call.ticket, None)
            running = call is blamed
            failures = self.queue.worker_died(call.task, running=running, reason=reason, out_of_memory=out_of_memory)
            if failures:
                self._staff.blameless()
            self._give_up(failures)
        worker.held.clear()

    def _end_the_hung(self) -> None:
        """Treat workers as dead that take much too long."""
        now = self.clock()
        if now - self._watched_at < _WAKE_SECONDS:
            return
        self._watched_at = now
        for worker in list(self._staff.workers):
            if worker.held:
                allowed = self.speeds.allowed_seconds(worker.device, worker.held[0].task)
                if now - worker.held[0].since > allowed:
                    self._bury(worker, f"worker {worker.number} gave no answer for {allowed:.0f} s and was ended")
        self._staff.end_slow_starts()

    def _give_up(self, failures: dict[str, Failure]) -> None:
        if failures:
            self.sink.failed(failures)
