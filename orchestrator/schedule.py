"""The schedule: bounded work in flight on a pool of actors, and a second life for what a dead one held."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import ray
from ray.exceptions import OutOfMemoryError, RayActorError, RayError, WorkerCrashedError

from orchestrator.queue import Task, WorkQueue
from scc_core.errors import SccBenchError
from scc_core.measurement import Failure, Measurement
from workers.actor import WorkerHandle, WorkerResources, start_worker

TASKS_PER_WORKER = 2
"""One that runs and one that waits at the actor, so that it never idles while the driver writes."""
MAX_FRUITLESS_STARTS = 10
"""Actors in a row that may die before any shard is done; then something is wrong with the machine."""
_WAKE_SECONDS = 1.0
_WORKER_IS_GONE = (RayActorError, WorkerCrashedError, OutOfMemoryError)
"""What Ray says of an actor that will not answer again; anything else is an error of the task alone."""


class Sink(Protocol):
    """Where results go as they come; called in the driver only."""

    def measured(self, worker: int, task: Task, measurement: Measurement) -> None:
        """Take the results of a shard."""

    def failed(self, failures: dict[str, Failure]) -> None:
        """Take the cells that are given up."""

    def tick(self) -> None:
        """Called about once a second, whatever happens."""


@dataclass
class _Worker:
    """An actor and the tasks that it holds, the running one first."""

    number: int
    actor: WorkerHandle
    model: str | None = None
    held: deque[Task] = field(default_factory=deque)


@dataclass
class Schedule:
    """Runs a queue on a pool of actors.

    Args:
        queue: what to do.
        resources: what each actor asks of Ray.
        num_workers: how many actors.
        sink: where results go.
        start: makes an actor.
    """

    queue: WorkQueue
    resources: WorkerResources
    num_workers: int
    sink: Sink
    start: Callable[[WorkerResources], WorkerHandle] = start_worker

    def __post_init__(self) -> None:
        self._workers: list[_Worker] = []
        self._flying: dict[ray.ObjectRef[Measurement], tuple[_Worker, Task]] = {}
        self._fruitless_starts = 0

    def run(self) -> None:
        """Return when the queue is empty and every result is in the sink.

        Raises:
            SccBenchError: actors die one after another without finishing anything.
        """
        try:
            self._workers = [_Worker(number, self.start(self.resources)) for number in range(self.num_workers)]
            while self._submit() or self.queue.waiting:
                self._receive()
                self.sink.tick()
        finally:
            for worker in self._workers:
                ray.kill(worker.actor)

    def _submit(self) -> bool:
        """Fill every worker's share; return whether anything is in flight."""
        for _ in range(TASKS_PER_WORKER):
            for worker in sorted(self._workers, key=lambda worker: len(worker.held)):
                self._submit_one(worker)
        return bool(self._flying)

    def _submit_one(self, worker: _Worker) -> None:
        if len(worker.held) >= TASKS_PER_WORKER:
            return
        others = {other.model for other in self._workers if other is not worker and other.model is not None}
        task = self.queue.take(worker.model, others)
        if task is None:
            return
        worker.model = task.shard.model
        worker.held.append(task)
        self._flying[worker.actor.run.remote(task.shard)] = (worker, task)

    def _receive(self) -> None:
        if not self._flying:
            time.sleep(_WAKE_SECONDS)
            return
        ready, _ = ray.wait(list(self._flying), num_returns=1, timeout=_WAKE_SECONDS)
        if ready:
            # Everything that is ready by now, so that one slow write does not become many.
            ready, _ = ray.wait(list(self._flying), num_returns=len(self._flying), timeout=0)
        for reference in ready:
            worker, task = self._flying.pop(reference)
            try:
                measurement = ray.get(reference)
            except _WORKER_IS_GONE as error:
                self._bury(worker, task, error)
            except RayError as error:
                self._done(worker, task, Measurement(failures=dict.fromkeys(task.shard.defenses, Failure.of(error))))
            else:
                self._done(worker, task, measurement)

    def _done(self, worker: _Worker, task: Task, measurement: Measurement) -> None:
        self._fruitless_starts = 0
        worker.held.remove(task)
        self.sink.measured(worker.number, task, measurement)
        if measurement.failures:
            self._give_up(self.queue.component_failed(task, measurement.failures))

    def _bury(self, worker: _Worker, task: Task, error: RayError) -> None:
        """Take back the task of a dead actor; the first one to return also replaces the actor."""
        out_of_memory = isinstance(error, OutOfMemoryError)
        # Ray's report of an out-of-memory kill fills pages; its first line says who was killed and why.
        reason = str(error).partition("\n")[0] if out_of_memory else _last_line(str(error))
        running = bool(worker.held) and worker.held[0] is task
        if worker in self._workers:
            self._replace(worker, reason)
        failures = self.queue.worker_died(task, running=running, reason=reason, out_of_memory=out_of_memory)
        self._give_up(failures)

    def _replace(self, worker: _Worker, reason: str) -> None:
        self._fruitless_starts += 1
        if self._fruitless_starts > MAX_FRUITLESS_STARTS:
            raise SccBenchError(
                f"{self._fruitless_starts} workers in a row died without finishing a shard; the last because: {reason}"
            )
        position = self._workers.index(worker)
        self._workers[position] = _Worker(worker.number, self.start(self.resources))

    def _give_up(self, failures: dict[str, Failure]) -> None:
        if failures:
            self.sink.failed(failures)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"
