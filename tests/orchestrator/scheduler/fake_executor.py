"""Workers without processes, in a time of their own: a script says what every call comes to and how long it takes."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from orchestrator.cluster.capacity import Node, Pool
from orchestrator.cluster.executor import WorkerLostError
from orchestrator.plan.plan import make_plan
from orchestrator.scheduler.task_queue import Task
from scc_core.cost import Cost
from scc_core.outcomes import BlockResult, Failure, Measurement, Outcomes
from workers.actor import WorkerResources
from workers.report import Introduction, Report
from workers.shard import Shard

NEVER = math.inf
_NUMBERS = np.zeros(1)
_OUTCOMES = Outcomes(*(_NUMBERS.astype(kind) for kind in ("int64", "int32", "int32", "float32", "float32")))


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Outcome:
    """What a call comes to after some seconds; None is what a healthy worker answers."""

    seconds: float = 1.0
    answer: Report | Exception | None = None


@dataclass(eq=False)
class Ticket:
    handle: Handle
    shard: Shard | None
    healthy: Any
    outcome: Outcome | None = None
    done_at: float = NEVER


@dataclass(eq=False)
class Handle:
    resources: WorkerResources
    calls: deque[Ticket] = field(default_factory=deque)
    alive: bool = True
    stopped: bool = False
    placed: bool = False
    reason: str = "killed"


def answered(shard: Shard, blocks: Sequence[int], **changes: Any) -> Report:
    """The report of a worker that measured some of a shard's blocks, a second each."""
    results = [
        BlockResult(key, block, _OUTCOMES, Cost(), Cost(1.0), "fake", "w") for key in shard.defenses for block in blocks
    ]
    return Report(results, **{"seconds": float(len(blocks)), "batch_size": 50, **changes})


class FakeCrew:
    """Runs the calls of a worker one after another; whatever is not scripted succeeds in a second a block.

    Args:
        clock: moved on by waiting.
        script: what a shard comes to on a worker; None is a success.
        room: whether there is a place for a worker.
    """

    def __init__(
        self,
        clock: Clock,
        script: Callable[[Handle, Shard], Outcome | None] = lambda _handle, _shard: None,
        room: Callable[[Handle], bool] = lambda _handle: True,
    ) -> None:
        self.clock = clock
        self.script = script
        self.room = room
        self.handles: list[Handle] = []
        self.shards: list[tuple[Handle, Shard, int | None]] = []

    @property
    def working(self) -> list[Handle]:
        return [handle for handle in self.handles if handle.alive and not handle.stopped]

    def start(self, resources: WorkerResources) -> Handle:
        self.handles.append(Handle(resources))
        return self.handles[-1]

    def arrive(self, handle: Handle) -> Ticket:
        return self._call(Ticket(handle, None, None))

    def introduce(self, handle: Handle) -> Ticket:
        return self._call(Ticket(handle, None, Introduction("host:1", "fake")))

    def run(self, handle: Handle, shard: Shard, batch_size: int | None) -> Ticket:
        self.shards.append((handle, shard, batch_size))
        return self._call(Ticket(handle, shard, answered(shard, shard.blocks)))

    def wait(self, tickets: Sequence[Ticket], seconds: float) -> list[Ticket]:
        ready = self._ready(tickets)
        if not ready:
            soonest = min((ticket.done_at for ticket in tickets), default=NEVER)
            self.clock.now = min(self.clock.now + seconds, soonest)
            ready = self._ready(tickets)
        return ready

    def answer(self, ticket: Ticket) -> Any:
        handle = ticket.handle
        if handle.stopped or not handle.alive:
            raise WorkerLostError(handle.reason)
        assert handle.calls.popleft() is ticket
        answer = ticket.outcome.answer if ticket.outcome and ticket.outcome.answer is not None else ticket.healthy
        if isinstance(answer, WorkerLostError):
            handle.alive = False
        if isinstance(answer, Exception):
            raise answer
        return answer

    def stop(self, handle: Handle) -> None:
        handle.stopped = True

    def _call(self, ticket: Ticket) -> Ticket:
        ticket.handle.calls.append(ticket)
        return ticket

    def _ready(self, tickets: Sequence[Ticket]) -> list[Ticket]:
        for ticket in tickets:
            handle = ticket.handle
            handle.placed = handle.placed or self.room(handle)
            if handle.placed and handle.calls and handle.calls[0] is ticket and ticket.outcome is None:
                ticket.outcome = self._outcome(ticket)
                ticket.done_at = self.clock.now + ticket.outcome.seconds
        return [ticket for ticket in tickets if not ticket.handle.alive or ticket.done_at <= self.clock.now]

    def _outcome(self, ticket: Ticket) -> Outcome:
        if ticket.shard is None:
            return Outcome(0.0)
        return self.script(ticket.handle, ticket.shard) or Outcome(float(len(ticket.shard.blocks)))


class Ledger:
    """A sink that refuses a block that it was given before."""

    def __init__(self) -> None:
        self.delivered: set[tuple[str, int]] = set()
        self.given_up: dict[str, Failure] = {}
        self.staff: list[tuple[int, int, int]] = []
        self.ticks = 0

    def measured(self, worker: int, task: Task, measurement: Measurement) -> None:
        for result in measurement.results:
            assert (result.cell, result.block) not in self.delivered
            self.delivered.add((result.cell, result.block))

    def failed(self, failures: dict[str, Failure]) -> None:
        self.given_up.update(failures)

    def staffed(self, ready: int, loading: int, wished: int) -> None:
        if not self.staff or self.staff[-1] != (ready, loading, wished):
            self.staff.append((ready, loading, wished))

    def tick(self) -> None:
        self.ticks += 1


def plan_of(*cells: Any, samples: int):
    """A plan in which nothing is measured."""
    return make_plan(dict.fromkeys(cells, samples), lambda _keys: {})


def pool_of(options: Any, nodes: Callable[[], Sequence[Node]], clock: Clock, *, grows: bool = True) -> Pool:
    """A pool over nodes that the test chooses."""
    return Pool(options, grows, nodes, clock)
