"""The scheduler: keeps a bounded number of shards at workers that come and go, and retries what failed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from orchestrator.cluster.capacity import ClusterCapacity
from orchestrator.cluster.executor import AttemptFailedError, ClusterError, Executor, RayExecutor, WorkerLostError
from orchestrator.scheduler.device_speeds import DeviceSpeeds
from orchestrator.scheduler.task_queue import Task, TaskQueue
from orchestrator.scheduler.worker_pool import Attempt, Worker, WorkerCounts, WorkerPool
from scc_core.outcomes import Failure, Measurement
from workers.report import Place, Report, WorkerInfo

TASKS_PER_WORKER = 2
"""One task runs and one waits at the worker, so that the worker is never idle while the driver writes."""
_WAKE_SECONDS = 1.0
_STRAGGLER_FACTOR = 2.0
"""A shard that takes this many times what it should is a straggler, and an idle worker gets a duplicate of it."""
_NODE_SECONDS = 60.0
"""Each worker must have this much left to do before another node is worth its start."""


class ResultHandler(Protocol):
    """Receives results as they come, in the driver's thread."""

    def shard_measured(self, worker: int, task: Task, measurement: Measurement) -> set[str]:
        """Take the results of a shard, none of which came before; return the cells whose results cannot be stored."""

    def cells_failed(self, failures: dict[str, Failure]) -> None:
        """Take the cells that failed for good."""

    def workers_counted(self, counts: WorkerCounts) -> None:
        """Take how many workers are in each state."""

    def say(self, line: str) -> None:
        """Tell the user one line about the workers."""

    def tick(self) -> None:
        """Do what is due; called about once a second, whatever happens."""


@dataclass
class Scheduler:
    """Runs the tasks of a queue on a pool of workers.

    Args:
        queue: of tasks.
        capacity: how many workers there may be.
        results: receives the results.
        speeds: of the devices.
        executor: starts workers and submits shards to them.
        clock: in seconds.
    """

    queue: TaskQueue
    capacity: ClusterCapacity
    results: ResultHandler
    speeds: DeviceSpeeds = field(default_factory=DeviceSpeeds)
    executor: Executor = field(default_factory=RayExecutor)
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._pool = WorkerPool(self.capacity, self.executor, self.clock)
        self._attempts: dict[Any, Attempt] = {}
        self._timed_out_at = self.clock()

    @property
    def finished(self) -> bool:
        """Whether every block is delivered, here or by other drivers, or its cells failed."""
        queued = self.queue.has_tasks or self.queue.waits_for_others
        return not queued and all(attempt.task.done for attempt in self._attempts.values())

    def run(self) -> None:
        """Return when the queue is empty and every result is handled.

        Raises:
            ClusterError: workers die one after another without finishing anything, the code of all of them is not the
                driver's, or the cluster is gone.
        """
        try:
            while not self.finished:
                self.queue.refresh()
                self._assign_tasks()
                self._duplicate_stragglers()
                self._scale_pool()
                for future in self.executor.wait([*self._attempts, *self._pool.unready], _WAKE_SECONDS):
                    if future in self._pool.unready:
                        self._start_answered(future)
                    elif future in self._attempts:
                        self._attempt_answered(self._attempts[future])
                self._time_out_workers()
                self.results.tick()
        except ConnectionError as error:
            raise ClusterError(f"the Ray cluster is gone ({str(error).partition(chr(10))[0]})") from error
        finally:
            self._pool.stop()

    def _assign_tasks(self) -> None:
        """Fill every worker up to its number of tasks, workers without any first."""
        for depth in range(TASKS_PER_WORKER):
            for worker in self._pool.workers:
                if len(worker.attempts) == depth and self.queue.has_tasks:
                    # Workers that are not ready yet are to get part of the blocks, too.
                    num_workers = len(self._pool.workers) + len(self._pool.unready)
                    fair_blocks = self.queue.queued_blocks // (TASKS_PER_WORKER * num_workers)
                    size = partial(self.speeds.shard_blocks, worker.device, fair_blocks=fair_blocks)
                    task = self.queue.take(worker.model, self._pool.workers_by_model, size)
                    if task is not None:
                        self._submit(worker, task)

    def _submit(self, worker: Worker, task: Task) -> None:
        self._pool.assign_model(worker, task.shard.model.name)
        future = self.executor.submit(worker.handle, task.shard)
        self._attempts[future] = Attempt(task, worker, future, self.clock())
        worker.attempts.append(self._attempts[future])

    def _duplicate_stragglers(self) -> None:
        """Submit stragglers to idle workers as well, once no other task is left; the first result counts."""
        idle = [worker for worker in self._pool.workers if not worker.attempts]
        if self.queue.has_tasks or not idle:
            return
        for worker, task in zip(idle, list(self._stragglers()), strict=False):
            task.holders += 1
            self._submit(worker, task)

    def _stragglers(self) -> Iterator[Task]:
        """Yield tasks that one worker alone holds for longer than it should, the longest first."""
        single = [one for one in self._attempts.values() if one.task.holders == 1 and not one.task.done]
        for attempt in sorted(single, key=lambda one: one.since):
            patience: float | None = _WAKE_SECONDS
            if attempt is attempt.worker.attempts[0]:
                expected = self.speeds.expected_seconds(attempt.worker.device, attempt.task)
                patience = None if expected is None else _STRAGGLER_FACTOR * expected + _WAKE_SECONDS
            if patience is not None and self.clock() - attempt.since > patience:
                yield attempt.task

    def _scale_pool(self) -> None:
        queued_blocks = max(1, self.queue.queued_blocks) if self.queue.has_tasks else 0
        seconds = self.speeds.seconds_of_work(self.queue.queued_work)
        worth_growing = seconds is None or seconds > _NODE_SECONDS * max(1, len(self._pool.workers))
        self._pool.scale(queued_blocks, worth_growing=worth_growing)
        self.results.workers_counted(self._pool.counts())
        if queued_blocks:
            self._pool.check_any_left()

    def _start_answered(self, future: Any) -> None:
        """Handle the answer of a worker that is not ready yet."""
        try:
            answer = self.executor.result(future)
        except (WorkerLostError, AttemptFailedError) as error:
            self._pool.worker_lost(self._pool.unready.pop(future), str(error))
            return
        if isinstance(answer, WorkerInfo):
            line = self._pool.worker_ready(future, answer)
        else:
            assert isinstance(answer, Place)
            line = self._pool.worker_placed(future, answer)
        if line is not None:
            self.results.say(line)

    def _attempt_answered(self, attempt: Attempt) -> None:
        """Pass on the results of a worker's answer to a shard, and requeue what is unfinished."""
        task, worker = attempt.task, attempt.worker
        try:
            report = self.executor.result(attempt.future)
        except WorkerLostError as error:
            self._worker_lost(worker, str(error), out_of_memory=error.out_of_memory)
            return
        except AttemptFailedError as error:
            report = Report(failures=dict.fromkeys(task.shard.defenses, error.failure))
        assert isinstance(report, Report)
        del self._attempts[attempt.future]
        worker.attempts.remove(attempt)
        worker.idle_since = self.clock()
        if worker.attempts:
            worker.attempts[0].since = worker.idle_since
        self.speeds.record(worker.device, task, report)
        accepted = self.queue.accept(task, report)
        if accepted.results:
            self._pool.results_delivered()
            unstorable = self.results.shard_measured(worker.number, task, Measurement(accepted.results))
            self.queue.give_up(unstorable)
        if accepted.failures:
            self.results.cells_failed(accepted.failures)
        if report.draining:
            self._requeue_attempts(worker, "it was told to end")
            self._pool.remove_worker(worker)

    def _worker_lost(self, worker: Worker, reason: str, *, out_of_memory: bool = False) -> None:
        self._requeue_attempts(worker, reason, blamed=worker.attempts[0], out_of_memory=out_of_memory)
        self._pool.worker_lost(worker, reason)

    def _requeue_attempts(
        self, worker: Worker, reason: str, *, blamed: Attempt | None = None, out_of_memory: bool = False
    ) -> None:
        """Requeue the tasks of a worker that will not finish them; the death counts against ``blamed`` alone."""
        for attempt in worker.attempts:
            self._attempts.pop(attempt.future, None)
            failures = self.queue.worker_lost(
                attempt.task, running=attempt is blamed, reason=reason, out_of_memory=out_of_memory
            )
            if failures:
                self._pool.shard_blamed()
                self.results.cells_failed(failures)
        worker.attempts.clear()

    def _time_out_workers(self) -> None:
        """Count workers as lost that are silent for too long, once a second."""
        now = self.clock()
        if now - self._timed_out_at < _WAKE_SECONDS:
            return
        self._timed_out_at = now
        for worker in list(self._pool.workers):
            if worker.attempts:
                allowed = self.speeds.allowed_seconds(worker.device, worker.attempts[0].task)
                if now - worker.attempts[0].since > allowed:
                    reason = f"worker {worker.number} gave no answer for {allowed:.0f} s and was ended"
                    self._worker_lost(worker, reason)
        self._pool.time_out_starts()
