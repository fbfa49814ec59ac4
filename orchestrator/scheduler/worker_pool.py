"""The workers of a run: hired while there is work and room, let go when there is none."""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from orchestrator.cluster.capacity import Pool, Seats
from orchestrator.cluster.executor import Crew, ScheduleError
from orchestrator.scheduler.task_queue import Task
from workers.report import Introduction

MAX_FRUITLESS_STARTS = 10
"""Workers, each begun after the end of the one before, that may die before any shard is done; then something is wrong
with the machine."""
IDLE_SECONDS = 20.0
"""How long a worker is kept that has nothing to do; loading its model again would take about as long."""
START_SECONDS = 600.0
"""How long a worker that has got a place may take to be ready; it loads libraries, but no model yet."""
_MOST_WISHES = 64
"""Workers to ask for at once beyond what the cluster has room for."""


@dataclass(eq=False)
class Call:
    """A task at a worker; ``since`` is when the worker turned to it."""

    task: Task
    ticket: Any
    since: float


@dataclass(eq=False)
class Worker:
    """A worker and the calls that it holds, the running one first."""

    number: int
    kind: str
    handle: Any
    asked_at: float
    idle_since: float = 0.0
    arrived_at: float | None = None
    device: str = ""
    model: str | None = None
    held: deque[Call] = field(default_factory=deque)


class StaffCounts(NamedTuple):
    """Workers that are ready, that are getting ready, and for whom there is no room yet."""

    ready: int
    loading: int
    wished: int


class Staff:
    """Whoever works for a run.

    Args:
        pool: how many workers there may be.
        crew: starts and ends them.
        clock: in seconds.
    """

    def __init__(self, pool: Pool, crew: Crew, clock: Callable[[], float]) -> None:
        self._pool = pool
        self._crew = crew
        self._clock = clock
        self._free_numbers: list[int] = []
        self._fruitless, self._able = 0, False
        self._last_fruitless = float("-inf")
        self.workers: list[Worker] = []
        self.starting: dict[Any, Worker] = {}
        self.holders: Counter[str] = Counter()

    def adjust(self, waiting: int, *, busy: bool) -> None:
        """Ask for more workers, take back wishes, let the idle go.

        Args:
            waiting: blocks that no worker holds.
            busy: whether the run is long enough to be worth another node.
        """
        seats = self._pool.seats() if waiting else []
        extra = min(_MOST_WISHES, max(1, len(self.workers))) if self._pool.grows and busy else 0
        most = {one.kind: one.count + (0 if position else extra) for position, one in enumerate(seats)}
        have = Counter(worker.kind for worker in (*self.workers, *self.starting.values()))
        self._take_back(most, have, waiting)
        left = min(self._pool.limit - have.total(), waiting - len(self.starting))
        for one in seats:
            for _ in range(int(max(0, min(most[one.kind] - have[one.kind], left)))):
                left -= 1
                self._ask(one)
        if not waiting:
            self._release_idle()

    def counts(self) -> StaffCounts:
        """Return how many are ready, getting ready, and asked for in vain so far."""
        loading = sum(worker.arrived_at is not None for worker in self.starting.values())
        return StaffCounts(len(self.workers), loading, len(self.starting) - loading)

    def arrived(self, ticket: Any, introduction: Introduction | None) -> None:
        """Take in a worker that has got a place, or that is ready and introduces itself."""
        worker = self.starting.pop(ticket)
        if introduction is None:
            worker.arrived_at = self._clock()
            self.starting[self._crew.introduce(worker.handle)] = worker
        else:
            worker.device, worker.idle_since = introduction.device, self._clock()
            self.workers.append(worker)

    def end_slow_starts(self) -> None:
        """Treat workers as dead that have had a place for long and are not ready.

        Raises:
            ScheduleError: workers die one after another without finishing anything.
        """
        for ticket, worker in list(self.starting.items()):
            if worker.arrived_at is not None and self._clock() - worker.arrived_at > START_SECONDS:
                self.lost(self.starting.pop(ticket), f"it was not ready {START_SECONDS:.0f} s after its start")

    def fruitful(self) -> None:
        """Take note that some worker did something."""
        self._fruitless, self._able = 0, True

    def blameless(self) -> None:
        """Take note that the deaths were a shard's fault, if the machine was ever able to do something."""
        if self._able:
            self._fruitless = 0

    def assign(self, worker: Worker, model: str) -> None:
        """Take note of the model that a worker turns to."""
        if worker.model != model:
            self._forget_model(worker)
            worker.model = model
            self.holders[model] += 1

    def lost(self, worker: Worker, reason: str) -> None:
        """Strike off a worker that died.

        Raises:
            ScheduleError: workers die one after another without finishing anything.
        """
        self._dismiss(worker)
        if worker.asked_at <= self._last_fruitless:
            return
        # Workers that die together count once: a node that fails takes many along.
        self._last_fruitless = self._clock()
        self._fruitless += 1
        if self._fruitless > MAX_FRUITLESS_STARTS:
            raise ScheduleError(
                f"{self._fruitless} workers in a row died without finishing a shard; the last because: {reason}"
            )

    def release(self, worker: Worker) -> None:
        """Let a worker go that is not needed or leaves by itself."""
        self._dismiss(worker)

    def stop(self) -> None:
        """End everybody."""
        for worker in [*self.workers, *self.starting.values()]:
            self._crew.stop(worker.handle)
        self.workers, self.starting = [], {}

    def _ask(self, seats: Seats) -> None:
        number = heapq.heappop(self._free_numbers) if self._free_numbers else len(self.workers) + len(self.starting)
        worker = Worker(number, seats.kind, self._crew.start(seats.resources), self._clock())
        self.starting[self._crew.arrive(worker.handle)] = worker

    def _take_back(self, most: Mapping[str, int], have: Counter[str], waiting: int) -> None:
        """Take back wishes beyond what there is room or work for, the latest first; who has got a place comes last."""
        newest = list(self.starting)[::-1]
        newest.sort(key=lambda ticket: self.starting[ticket].arrived_at is not None)
        for ticket in newest:
            kind = self.starting[ticket].kind
            if len(self.starting) > waiting or have[kind] > most.get(kind, 0):
                have[kind] -= 1
                self._dismiss(self.starting.pop(ticket))

    def _release_idle(self) -> None:
        now = self._clock()
        for worker in [worker for worker in self.workers if not worker.held]:
            if now - worker.idle_since >= IDLE_SECONDS:
                self._dismiss(worker)

    def _dismiss(self, worker: Worker) -> None:
        self._crew.stop(worker.handle)
        if worker in self.workers:
            self.workers.remove(worker)
        self._forget_model(worker)
        heapq.heappush(self._free_numbers, worker.number)

    def _forget_model(self, worker: Worker) -> None:
        if worker.model is not None:
            self.holders[worker.model] -= 1
            worker.model = None
