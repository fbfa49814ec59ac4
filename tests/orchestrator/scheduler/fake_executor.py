"""An executor without processes, in simulated time: a script says how each call ends and how long it takes."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from orchestrator.cluster.capacity import ClusterCapacity, Node
from orchestrator.cluster.executor import WorkerLostError
from orchestrator.plan.plan import make_plan
from orchestrator.scheduler.task_queue import Task
from orchestrator.scheduler.worker_pool import WorkerCounts
from scc_core.cost import Cost
from scc_core.environment import Environment
from scc_core.machine.code import code_digest
from scc_core.outcomes import BlockResult, Failure, Measurement, Outcomes
from tests.orchestrator.clock import Clock
from workers.actor import WorkerResources
from workers.report import Place, Report, WorkerInfo
from workers.shard import Shard

NEVER = math.inf
_NUMBERS = np.zeros(1)
_OUTCOMES = Outcomes(*(_NUMBERS.astype(kind) for kind in ("int64", "int32", "int32", "float32", "float32")))


@dataclass(frozen=True)
class Outcome:
    """How a call ends after some seconds; None is the answer of a healthy worker."""

    seconds: float = 1.0
    answer: Report | Exception | None = None


@dataclass(eq=False)
class Future:
    handle: Handle
    shard: Shard | None
    healthy: Any
    outcome: Outcome | None = None
    done_at: float = NEVER


@dataclass(eq=False)
class Handle:
    resources: WorkerResources
    calls: deque[Future] = field(default_factory=deque)
    alive: bool = True
    stopped: bool = False
    placed: bool = False
    reason: str = "killed"


def answered(shard: Shard, blocks: Sequence[int], **changes: Any) -> Report:
    """The report of a worker that measured some of a shard's blocks, a second each."""
    results = [
        BlockResult(key, block, _OUTCOMES, Cost(), Cost(1.0), "fake", "w") for key in shard.defenses for block in blocks
    ]
    return Report(results, **{"seconds": float(len(blocks)), **changes})


class FakeExecutor:
    """Runs the calls of a worker one after another; whatever is not scripted succeeds in a second a block.

    Args:
        clock: moved on by waiting.
        script: how a shard ends on a worker; None is a success.
        room: whether the cluster has a place for a worker.
        place: where a worker is, and which code it finds there; by default the driver's.
        environment: of a worker.
    """

    def __init__(
        self,
        clock: Clock,
        script: Callable[[Handle, Shard], Outcome | None] = lambda _handle, _shard: None,
        room: Callable[[Handle], bool] = lambda _handle: True,
        place: Callable[[Handle], Place] = lambda _handle: Place("fake", "1", code_digest()),
        environment: Callable[[Handle], Environment] = lambda _handle: Environment(code_digest(), "1", 1, "3"),
    ) -> None:
        self.clock = clock
        self.script = script
        self.room = room
        self.place = place
        self.environment = environment
        self.handles: list[Handle] = []
        self.shards: list[tuple[Handle, Shard]] = []

    @property
    def working(self) -> list[Handle]:
        return [handle for handle in self.handles if handle.alive and not handle.stopped]

    def start_worker(self, resources: WorkerResources) -> Handle:
        self.handles.append(Handle(resources))
        return self.handles[-1]

    def placed(self, handle: Handle) -> Future:
        return self._call(Future(handle, None, None))

    def ready(self, handle: Handle) -> Future:
        name = f"host:{self.handles.index(handle)}"
        return self._call(Future(handle, None, WorkerInfo(name, "fake", self.environment(handle))))

    def submit(self, handle: Handle, shard: Shard) -> Future:
        self.shards.append((handle, shard))
        return self._call(Future(handle, shard, answered(shard, shard.blocks)))

    def wait(self, futures: Sequence[Future], seconds: float) -> list[Future]:
        ready = self._ready(futures)
        if not ready:
            soonest = min((future.done_at for future in futures), default=NEVER)
            self.clock.now = min(self.clock.now + seconds, soonest)
            ready = self._ready(futures)
        return ready

    def result(self, future: Future) -> Any:
        handle = future.handle
        if handle.stopped or not handle.alive:
            raise WorkerLostError(handle.reason)
        assert handle.calls.popleft() is future
        answer = future.outcome.answer if future.outcome and future.outcome.answer is not None else future.healthy
        answer = self.place(handle) if answer is None else answer
        if isinstance(answer, WorkerLostError):
            handle.alive = False
        if isinstance(answer, Exception):
            raise answer
        return answer

    def stop_worker(self, handle: Handle) -> None:
        handle.stopped = True

    def _call(self, future: Future) -> Future:
        future.handle.calls.append(future)
        return future

    def _ready(self, futures: Sequence[Future]) -> list[Future]:
        for future in futures:
            handle = future.handle
            handle.placed = handle.placed or self.room(handle)
            if handle.placed and handle.calls and handle.calls[0] is future and future.outcome is None:
                future.outcome = self._outcome(future)
                future.done_at = self.clock.now + future.outcome.seconds
        return [future for future in futures if not future.handle.alive or future.done_at <= self.clock.now]

    def _outcome(self, future: Future) -> Outcome:
        if future.shard is None:
            return Outcome(0.0)
        return self.script(future.handle, future.shard) or Outcome(float(len(future.shard.blocks)))


class Ledger:
    """A result handler that refuses a block that it was given before."""

    def __init__(self) -> None:
        self.delivered: set[tuple[str, int]] = set()
        self.failures: dict[str, Failure] = {}
        self.counts: list[WorkerCounts] = []
        self.said: list[str] = []
        self.ticks = 0

    def shard_measured(self, worker: int, task: Task, measurement: Measurement) -> set[str]:
        for result in measurement.results:
            assert (result.cell, result.block) not in self.delivered
            self.delivered.add((result.cell, result.block))
        return set()

    def cells_failed(self, failures: dict[str, Failure]) -> None:
        self.failures.update(failures)

    def workers_counted(self, counts: WorkerCounts) -> None:
        if not self.counts or self.counts[-1] != counts:
            self.counts.append(counts)

    def say(self, line: str) -> None:
        self.said.append(line)

    def tick(self) -> None:
        self.ticks += 1


def plan_of(*cells: Any, samples: int):
    """A plan in which nothing is measured."""
    return make_plan(dict.fromkeys(cells, samples), lambda _keys: {})


def capacity_of(
    options: Any, nodes: Callable[[], Sequence[Node]], clock: Clock, *, can_grow: bool = True
) -> ClusterCapacity:
    """The capacity of nodes that the test chooses."""
    return ClusterCapacity(options, can_grow, nodes, clock)
