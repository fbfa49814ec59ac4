"""The workers of a run: requested while there is work for them, removed when there is none or when they die."""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from orchestrator.cluster.capacity import ClusterCapacity
from orchestrator.cluster.executor import ClusterError, Executor
from orchestrator.scheduler.task_queue import Task
from scc_core.environment import SHORT_DIGITS, Environment
from scc_core.machine.code import code_digest, distribution_version
from workers.report import Place, WorkerInfo

MAX_FAILED_WORKERS = 10
"""Workers, each requested after the one before it died, that may die before any shard is finished. More of them mean
that something is wrong with the machines."""
IDLE_SECONDS = 20.0
"""How long a worker without work is kept; to load its model again would take about as long."""
START_SECONDS = 600.0
"""How long a worker that has a place may take to be ready; it loads libraries, but no model yet."""
_MAX_EXTRA_REQUESTS = 64
"""Workers to request at a time beyond the slots of the cluster."""


class WorkerState(Enum):
    """How far a worker is."""

    REQUESTED = "requested"
    """The cluster has no place for it yet."""
    STARTING = "starting"
    """It has a place and loads libraries."""
    READY = "ready"
    """It takes shards."""
    REFUSED = "refused"
    """Its code is not the driver's. It takes no shards, and keeps its place so that no other worker gets it."""


@dataclass(eq=False)
class Worker:
    """A worker and its attempts, the running one first.

    Attributes:
        number: small, unique among the workers of the moment, and used again after the worker is removed.
        kind: of the slot that it takes.
        handle: of the executor.
        requested_at: when it was requested.
        state: how far it is.
        placed_at: when it got its place.
        idle_since: when it last finished something, or became ready.
        device: name of its device.
        model: that it holds.
        attempts: tasks that it holds, the running one first.
    """

    number: int
    kind: str
    handle: Any
    requested_at: float
    state: WorkerState = WorkerState.REQUESTED
    placed_at: float = 0.0
    idle_since: float = 0.0
    device: str = ""
    model: str | None = None
    attempts: deque[Attempt] = field(default_factory=deque)


@dataclass(eq=False)
class Attempt:
    """A task at a worker; ``since`` is when the worker began it, or received it while it is behind another one."""

    task: Task
    worker: Worker
    future: Any
    since: float


class WorkerCounts(NamedTuple):
    """How many workers are in each state."""

    ready: int
    starting: int
    requested: int
    refused: int = 0


class WorkerPool:
    """The workers of a run.

    Args:
        capacity: how many workers there may be.
        executor: starts and stops them.
        clock: in seconds.

    Attributes:
        workers: those that are ready.
        unready: those that may become it, by the future of their next answer.
        refused: those whose code is not the driver's.
        workers_by_model: how many workers hold each model.
    """

    def __init__(self, capacity: ClusterCapacity, executor: Executor, clock: Callable[[], float]) -> None:
        self._capacity = capacity
        self._executor = executor
        self._clock = clock
        self._free_numbers: list[int] = []
        self._failed_in_a_row, self._any_succeeded = 0, False
        self._last_failure = float("-inf")
        # Asked for now, while the sources are those that this process was started with.
        self._code = code_digest()
        self._environments: list[Environment] = []
        self._refused_nodes: dict[str, str] = {}
        self._none_left_since: float | None = None
        self.refused: list[Worker] = []
        self.workers: list[Worker] = []
        self.unready: dict[Any, Worker] = {}
        self.workers_by_model: Counter[str] = Counter()

    def scale(self, queued_blocks: int, *, worth_growing: bool) -> None:
        """Request workers for queued blocks, withdraw requests that are not needed, and remove idle workers.

        Args:
            queued_blocks: that no worker holds.
            worth_growing: whether the run is long enough to be worth another node.
        """
        all_slots = self._capacity.slots() if queued_blocks else []
        grows = self._capacity.can_grow and worth_growing
        extra = min(_MAX_EXTRA_REQUESTS, max(1, len(self.workers))) if grows else 0
        limits = {one.kind: one.count + (0 if position else extra) for position, one in enumerate(all_slots)}
        existing = Counter(worker.kind for worker in (*self.workers, *self.unready.values(), *self.refused))
        self._release_places(limits, existing)
        self._withdraw_requests(limits, existing, queued_blocks)
        useful = existing.total() - len(self.refused)
        wanted = min(self._capacity.max_workers - useful, queued_blocks - len(self.unready))
        for one in all_slots:
            for _ in range(int(max(0, min(limits[one.kind] - existing[one.kind], wanted)))):
                wanted -= 1
                number = len(self.workers) + len(self.unready) + len(self.refused)
                number = heapq.heappop(self._free_numbers) if self._free_numbers else number
                worker = Worker(number, one.kind, self._executor.start_worker(one.resources), self._clock())
                self.unready[self._executor.placed(worker.handle)] = worker
        if not queued_blocks:
            idle = [worker for worker in self.workers if not worker.attempts]
            for worker in idle:
                if self._clock() - worker.idle_since >= IDLE_SECONDS:
                    self.remove_worker(worker)

    def counts(self) -> WorkerCounts:
        """Return how many workers are in each state."""
        states = Counter(worker.state for worker in self.unready.values())
        starting, requested = states[WorkerState.STARTING], states[WorkerState.REQUESTED]
        return WorkerCounts(len(self.workers), starting, requested, len(self.refused))

    def worker_placed(self, future: Any, place: Place) -> str | None:
        """Note that a worker has a place, and refuse it if other code lies there than the driver's.

        Returns:
            One line on the node, where its workers are refused and no line told it before.
        """
        worker = self.unready.pop(future)
        if place.code == self._code:
            worker.state, worker.placed_at = WorkerState.STARTING, self._clock()
            self.unready[self._executor.ready(worker.handle)] = worker
            return None
        worker.state = WorkerState.REFUSED
        self.refused.append(worker)
        told = place.node in self._refused_nodes
        self._refused_nodes[place.node] = _describe_refusal(place)
        return None if told else self._refused_nodes[place.node]

    def check_any_left(self) -> None:
        """Check that some worker measures, or may still get a place, where others were refused.

        Raises:
            ClusterError: the places of all nodes are taken by refused workers: at once if no worker has measured
                anything, else after the time that a new one is given to start.
        """
        places = sum(one.count for one in self._capacity.slots())
        starting = any(worker.state is WorkerState.STARTING for worker in self.unready.values())
        if not self.refused or self.workers or starting or len(self.refused) < places:
            self._none_left_since = None
            return
        now = self._clock()
        since = self._none_left_since = now if self._none_left_since is None else self._none_left_since
        if now - since >= (START_SECONDS if self._any_succeeded else 0.0):
            raise ClusterError(f"no worker is left: {'; '.join(self._refused_nodes.values())}")

    def worker_ready(self, future: Any, info: WorkerInfo) -> str | None:
        """Note that a worker takes shards.

        Returns:
            One line on what its environment has otherwise than the first worker's, where no worker had the same before.
        """
        worker = self.unready.pop(future)
        worker.state, worker.idle_since, worker.device = WorkerState.READY, self._clock(), info.device
        self.workers.append(worker)
        if info.environment in self._environments:
            return None
        self._environments.append(info.environment)
        differences = info.environment.differences(self._environments[0])
        if not differences:
            return None
        others = f"worker {info.name} computes in another environment than the first: {'; '.join(differences)}"
        return f"{others}. What both measure gets the badge `mixed environments`"

    def time_out_starts(self) -> None:
        """Count workers as lost that take too long from their place to being ready.

        Raises:
            ClusterError: workers die one after another without finishing anything.
        """
        for future, worker in list(self.unready.items()):
            if worker.state is WorkerState.STARTING and self._clock() - worker.placed_at > START_SECONDS:
                self.worker_lost(self.unready.pop(future), f"it was not ready {START_SECONDS:.0f} s after its start")

    def assign_model(self, worker: Worker, model: str) -> None:
        """Note the model of the next shard of a worker."""
        if worker.model != model:
            self._unassign_model(worker)
            worker.model = model
            self.workers_by_model[model] += 1

    def results_delivered(self) -> None:
        """Note that a worker delivered results, so that workers do work here."""
        self._failed_in_a_row, self._any_succeeded = 0, True

    def shard_blamed(self) -> None:
        """Note that workers died because of a shard, which says nothing of the machines once any worker has worked."""
        if self._any_succeeded:
            self._failed_in_a_row = 0

    def worker_lost(self, worker: Worker, reason: str) -> None:
        """Remove a worker that died.

        Raises:
            ClusterError: workers die one after another without finishing anything.
        """
        self.remove_worker(worker)
        # Workers that were there at the last death count with it: a node that fails takes many along.
        if worker.requested_at <= self._last_failure:
            return
        self._last_failure = self._clock()
        self._failed_in_a_row += 1
        if self._failed_in_a_row > MAX_FAILED_WORKERS:
            raise ClusterError(
                f"{self._failed_in_a_row} workers in a row died without finishing a shard; the last because: {reason}"
            )

    def remove_worker(self, worker: Worker) -> None:
        """Stop a worker and free its number."""
        self._executor.stop_worker(worker.handle)
        if worker in self.workers:
            self.workers.remove(worker)
        self._unassign_model(worker)
        heapq.heappush(self._free_numbers, worker.number)

    def stop(self) -> None:
        """Stop all workers."""
        for worker in [*self.workers, *self.unready.values(), *self.refused]:
            self._executor.stop_worker(worker.handle)
        self.workers, self.unready, self.refused = [], {}, []

    def _release_places(self, limits: Mapping[str, int], existing: Counter[str]) -> None:
        """Remove refused workers beyond the slots: their node has left."""
        for worker in list(self.refused):
            if existing[worker.kind] > limits.get(worker.kind, 0):
                existing[worker.kind] -= 1
                self.refused.remove(worker)
                self.remove_worker(worker)

    def _withdraw_requests(self, limits: Mapping[str, int], existing: Counter[str], queued_blocks: int) -> None:
        """Remove workers that are not ready and exceed the slots or the work, the latest first, placed ones last."""
        newest = list(self.unready)[::-1]
        newest.sort(key=lambda future: self.unready[future].state is WorkerState.STARTING)
        for future in newest:
            kind = self.unready[future].kind
            if len(self.unready) > queued_blocks or existing[kind] > limits.get(kind, 0):
                existing[kind] -= 1
                self.remove_worker(self.unready.pop(future))

    def _unassign_model(self, worker: Worker) -> None:
        if worker.model is not None:
            self.workers_by_model[worker.model] -= 1
            worker.model = None


def _describe_refusal(place: Place) -> str:
    """Return one line that names the node, its scc-bench and the driver's."""
    if place.code is not None:
        theirs = f"{place.version or 'not installed'} with code {place.code[:SHORT_DIGITS]}"
    else:
        theirs = f"{place.version}, which does not tell its code" if place.version else "none"
    ours = f"{distribution_version() or 'not installed'} with code {code_digest()[:SHORT_DIGITS]}"
    return f"node {place.node} is refused and measures nothing: its scc-bench is {theirs}, the driver's is {ours}"
