"""The queue of shards: workers keep their model, failed attempts are counted, and every block is delivered once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice

from orchestrator.plan.plan import Plan, shards, with_blocks
from orchestrator.scheduler.lease_manager import LeaseManager, NoLeases, PlannedSpan
from scc_core.outcomes import BlockResult, Failure
from workers.report import Report
from workers.shard import Shard

MAX_LOST_WORKERS = 3
"""Workers that may die on a shard before its cells fail."""
MAX_ERRORS = 2
"""Times that a cell's component may raise on a shard before the cell fails."""

_BATCH_AFTER_KILL = 4
_KILL_DIVISOR = 4


@dataclass(frozen=True)
class BlockProfile:
    """What decides how long a block of a span takes.

    Attributes:
        span_number: of the span in the plan; its blocks take equally long.
        model: name of the model.
        cells: how many cells are measured on the block.
        work: of the block, in forward passes of the image tower.
    """

    span_number: int
    model: str
    cells: int
    work: float


@dataclass(eq=False)
class Task:
    """A shard that was taken out of the queue, with the history of its attempts.

    Attributes:
        shard: what is still to be delivered.
        profile: of the span that the shard was cut from.
        lost_workers: workers that died on it.
        errors: times that a component raised on it.
        holders: workers that hold it: 2 while it has a duplicate.
    """

    shard: Shard
    profile: BlockProfile
    lost_workers: int = 0
    errors: int = 0
    holders: int = 0

    @property
    def done(self) -> bool:
        """Whether nothing is left to deliver; what a duplicate still brings is discarded."""
        return not (self.shard.blocks and self.shard.defenses)

    @property
    def work(self) -> float:
        """Work that is left, in forward passes of the image tower."""
        return self.profile.work * len(self.shard.blocks)


@dataclass(frozen=True)
class Accepted:
    """What the queue takes from a report: the results that are new, and the cells that failed for good."""

    results: list[BlockResult] = field(default_factory=list)
    failures: dict[str, Failure] = field(default_factory=dict)


class TaskQueue:
    """Hands out shards, those of a worker's own model first, and requeues what failed.

    Shards are cut from the plan's spans when a worker asks, so that memory does not grow with their number.

    Args:
        plan: what is to be measured.
        leases: decides which spans this driver may measure; None where it has the database to itself.
    """

    def __init__(self, plan: Plan, leases: LeaseManager | None = None) -> None:
        self._leases = leases or NoLeases()
        self._failed_cells: set[str] = set()
        self._models: dict[str, _ModelQueue] = {}
        self._queued_blocks = 0
        for number, span in enumerate(plan.spans):
            self._model_queue(span.cells[0].model.name).spans.append(PlannedSpan(number, span))
            self._queued_blocks += len(span.blocks)
        for name, cost in plan.cost_by_model().items():
            self._models[name].work = cost.work

    @property
    def waits_for_others(self) -> bool:
        """Whether other drivers hold something that may still come to this queue."""
        return self._leases.waiting

    @property
    def queued_blocks(self) -> int:
        """Blocks that no worker holds."""
        return self._queued_blocks - self._leases.measured_by_others

    @property
    def queued_work(self) -> float:
        """Work that no worker holds, in forward passes of the image tower."""
        return sum(model.work for model in self._models.values())

    @property
    def has_tasks(self) -> bool:
        """Whether there is a task to take, as far as is known without asking for leases."""
        return any(self._models.values())

    def refresh(self) -> None:
        """Queue what other drivers have released."""
        for planned in self._leases.acquire_released():
            self._model_queue(planned.span.cells[0].model.name).add_leased(planned)

    def take(
        self, model: str | None, workers_by_model: Mapping[str, int], size: Callable[[BlockProfile], int]
    ) -> Task | None:
        """Return the next task, or None when there is none.

        Args:
            model: the model that the worker holds; its shards come first.
            workers_by_model: how many workers hold each model; the model with the most work per worker comes second.
            size: returns how many blocks to cut at most.
        """
        while self._models:
            name = model
            if name is None or name not in self._models:
                name = max(self._models, key=lambda name: self._models[name].work / (workers_by_model.get(name, 0) + 1))
            queue = self._models[name]
            while (task := queue.next(size)) is not None:
                self._queued_blocks -= len(task.shard.blocks)
                defenses = {key: one for key, one in task.shard.defenses.items() if key not in self._failed_cells}
                task.shard = replace(task.shard, defenses=defenses)
                if not task.done:
                    task.holders += 1
                    return task
            del self._models[name]
        return None

    def accept(self, task: Task, report: Report) -> Accepted:
        """Take the report on a task, and leave out what a duplicate of it delivered first.

        Blocks that the worker did not begin are requeued, and cells that failed are retried once.
        """
        task.holders -= 1
        if task.done:
            return Accepted()
        shard, wanted = task.shard, set(task.shard.blocks)
        results = [result for result in report.results if result.block in wanted and result.cell in shard.defenses]
        failures = {cell: failure for cell, failure in report.failures.items() if cell in shard.defenses}
        failed = self._retry(task, failures) if failures else {}
        task.shard = replace(
            shard,
            blocks=tuple(block for block in report.unfinished if block in wanted),
            defenses={key: request for key, request in shard.defenses.items() if key not in failures},
        )
        self._requeue(task)
        return Accepted(results, failed)

    def give_up(self, cells: Collection[str]) -> None:
        """Cut no more tasks of cells that failed for good."""
        self._failed_cells.update(cells)

    def worker_lost(self, task: Task, *, running: bool, reason: str, out_of_memory: bool = False) -> dict[str, Failure]:
        """Requeue a task whose worker died; return the cells that fail because it happened too often.

        A task that ran while its worker was killed for the host's memory is requeued with a smaller batch size.
        """
        task.holders -= 1
        if task.done:
            return {}
        task.lost_workers += running
        if out_of_memory and running:
            smaller = max(1, (task.shard.max_batch_size or _BATCH_AFTER_KILL * _KILL_DIVISOR) // _KILL_DIVISOR)
            task.shard = replace(task.shard, max_batch_size=smaller)
        if task.holders or task.lost_workers < MAX_LOST_WORKERS:
            self._requeue(task)
            return {}
        failure = Failure(f"{task.lost_workers} workers died while measuring this cell's shard: {reason}", reason)
        failures = dict.fromkeys(task.shard.defenses, failure)
        task.shard = replace(task.shard, blocks=())
        self._failed_cells.update(failures)
        return failures

    def _retry(self, task: Task, failures: dict[str, Failure]) -> dict[str, Failure]:
        """Queue the failing cells of a task once more, alone; on their second error return them as failed for good."""
        if task.errors + 1 >= MAX_ERRORS:
            self._failed_cells.update(failures)
            return failures
        shard = replace(task.shard, defenses={key: task.shard.defenses[key] for key in failures})
        self._requeue(Task(shard, task.profile, task.lost_workers, task.errors + 1))
        return {}

    def _requeue(self, task: Task) -> None:
        """Put what is left of a task back, unless another worker still holds it."""
        if not task.done and not task.holders:
            self._model_queue(task.profile.model).requeue(task)
            self._queued_blocks += len(task.shard.blocks)

    def _model_queue(self, name: str) -> _ModelQueue:
        return self._models.setdefault(name, _ModelQueue(self._leases))


class _ModelQueue:
    """The work of one model: requeued tasks first, then its spans from the one with the most work per block on."""

    def __init__(self, leases: LeaseManager) -> None:
        self.spans: deque[PlannedSpan] = deque()
        self.work = 0.0
        self._leases = leases
        self._requeued: deque[Task] = deque()
        self._leased: deque[PlannedSpan] = deque()
        self._cutter: _ShardCutter | None = None

    def __bool__(self) -> bool:
        return bool(self._requeued or self._cutter or self._leased or self.spans)

    def requeue(self, task: Task) -> None:
        self._requeued.append(task)
        self.work += task.work

    def add_leased(self, planned: PlannedSpan) -> None:
        self._leased.append(planned)
        self.work += planned.span.work

    def next(self, size: Callable[[BlockProfile], int]) -> Task | None:
        if self._requeued:
            task = self._requeued.popleft()
        else:
            if self._cutter is None:
                if not self._leased:
                    self._leased.extend(self._leases.acquire(self.spans))
                if not self._leased:
                    return None
                self._cutter = _ShardCutter(self._leased.popleft())
            task = self._cutter.cut(size)
            if not self._cutter.blocks_left:
                self._cutter = None
        self.work -= task.work
        return task


class _ShardCutter:
    """Cuts one span into shards, from its first block to its last."""

    def __init__(self, planned: PlannedSpan) -> None:
        span = planned.span
        self._template = next(shards(with_blocks(span, span.blocks[:1]), 1))
        self._blocks = iter(span.blocks)
        self.blocks_left = len(span.blocks)
        work = span.work / len(span.blocks)
        self._profile = BlockProfile(planned.number, span.cells[0].model.name, len(span.cells), work)

    def cut(self, size: Callable[[BlockProfile], int]) -> Task:
        blocks = tuple(islice(self._blocks, max(1, size(self._profile))))
        self.blocks_left -= len(blocks)
        return Task(replace(self._template, blocks=blocks), self._profile)
