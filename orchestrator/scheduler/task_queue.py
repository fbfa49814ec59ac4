"""The queue of shards: workers keep their model, failures are counted, every block is delivered once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice

from orchestrator.plan.plan import Plan, Span, shards, with_blocks
from orchestrator.scheduler.leases import Alone, Claims, Share
from scc_core.outcomes import BlockResult, Failure
from workers.report import Report
from workers.shard import Shard

MAX_DEATHS = 3
"""Workers that may die on a shard before its cells are failed."""
MAX_ERRORS = 2
"""Times that a cell's component may raise on a shard before the cell is failed."""

_BATCH_AFTER_KILL = 4
_KILL_DIVISOR = 4


@dataclass(frozen=True)
class Piece:
    """What is still to be cut of a span.

    Attributes:
        group: the span's number in the plan: its blocks take equally long.
        model: name of the model.
        cells: how many cells each block has.
        work: of a block, in forward passes of the image tower.
    """

    group: int
    model: str
    cells: int
    work: float


@dataclass(eq=False)
class Task:
    """A shard on its way, with the history of its attempts.

    Attributes:
        shard: what is still to be delivered of it.
        piece: what it was cut from.
        deaths: workers that died on it.
        errors: times that a component raised on it.
        copies: workers that hold it.
    """

    shard: Shard
    piece: Piece
    deaths: int = 0
    errors: int = 0
    copies: int = 0

    @property
    def settled(self) -> bool:
        """Whether nothing of it is to be delivered any more; what a second copy brings is thrown away."""
        return not (self.shard.blocks and self.shard.defenses)

    @property
    def work(self) -> float:
        """Work of what is left, in forward passes of the image tower."""
        return self.piece.work * len(self.shard.blocks)


@dataclass(frozen=True)
class Accepted:
    """What a report was good for: results that are new, and cells that are given up."""

    results: list[BlockResult] = field(default_factory=list)
    given_up: dict[str, Failure] = field(default_factory=dict)


class WorkQueue:
    """Hands out shards, those of a worker's own model first, and takes back what failed.

    Shards are cut from the plan's spans on demand, so that memory does not grow with their number.
    """

    def __init__(self, plan: Plan, claims: Claims | None = None) -> None:
        self._claims = claims or Alone()
        self._failed: set[str] = set()
        self._models: dict[str, _ModelWork] = {}
        self._waiting_blocks = 0
        for share in enumerate(plan.spans):
            self._model(share[1].cells[0].model.name).shares.append(share)
            self._waiting_blocks += len(share[1].blocks)
        for name, cost in plan.cost_by_model().items():
            self._models[name].work = cost.work

    @property
    def waiting(self) -> bool:
        """Whether other drivers hold something that may come back to this queue."""
        return self._claims.waiting

    @property
    def waiting_blocks(self) -> int:
        """Blocks that no worker holds."""
        return self._waiting_blocks - self._claims.vanished

    @property
    def waiting_work(self) -> float:
        """Work that no worker holds, in forward passes of the image tower."""
        return sum(model.work for model in self._models.values())

    @property
    def available(self) -> bool:
        """Whether there is something to take, as far as is known without asking other drivers."""
        return any(self._models.values())

    def refresh(self) -> None:
        """Take in what other drivers have freed."""
        for number, span in self._claims.freed():
            self._model(span.cells[0].model.name).grant(number, span)

    def take(self, model: str | None, holders: Mapping[str, int], size: Callable[[Piece], int]) -> Task | None:
        """Return the next task, or None when there is none.

        Args:
            model: the model that the worker holds; its shards come first.
            holders: how many workers hold which model; then comes the model with the most work for each of them.
            size: blocks to cut at most.
        """
        while self._models:
            name = model if model in self._models else self._neediest(holders)
            task = self._take(self._models[name], size)
            if task is not None:
                task.copies += 1
                return task
            del self._models[name]
        return None

    def accept(self, task: Task, report: Report) -> Accepted:
        """Take what came of a task; what another copy of it delivered first is left out.

        Blocks that were not begun return to the queue, and so do cells that failed, once.
        """
        task.copies -= 1
        if task.settled:
            return Accepted()
        shard, wanted = task.shard, set(task.shard.blocks)
        results = [result for result in report.results if result.block in wanted and result.cell in shard.defenses]
        failures = {cell: failure for cell, failure in report.failures.items() if cell in shard.defenses}
        given_up = self._repeat_failed(task, failures) if failures else {}
        task.shard = replace(
            shard,
            blocks=tuple(block for block in report.unfinished if block in wanted),
            defenses={key: request for key, request in shard.defenses.items() if key not in failures},
        )
        self._return(task)
        return Accepted(results, given_up)

    def worker_died(self, task: Task, *, running: bool, reason: str, out_of_memory: bool = False) -> dict[str, Failure]:
        """Take back a task whose worker died; return the cells that fail because it happened too often.

        A task that ran while its worker was killed for the host's memory comes back with a smaller batch.
        """
        task.copies -= 1
        if task.settled:
            return {}
        task.deaths += running
        if out_of_memory and running:
            smaller = max(1, (task.shard.max_batch_size or _BATCH_AFTER_KILL * _KILL_DIVISOR) // _KILL_DIVISOR)
            task.shard = replace(task.shard, max_batch_size=smaller)
        if task.copies or task.deaths < MAX_DEATHS:
            self._return(task)
            return {}
        failure = Failure(f"{task.deaths} workers died while measuring this cell's shard: {reason}", reason)
        failures = dict.fromkeys(task.shard.defenses, failure)
        task.shard = replace(task.shard, blocks=())
        return self._fail(failures)

    def _repeat_failed(self, task: Task, failures: dict[str, Failure]) -> dict[str, Failure]:
        """Queue the failing cells of a task once more; return the cells that fail because it happened again."""
        if task.errors + 1 >= MAX_ERRORS:
            return self._fail(failures)
        shard = replace(task.shard, defenses={key: task.shard.defenses[key] for key in failures})
        self._return(Task(shard, task.piece, task.deaths, task.errors + 1))
        return {}

    def _return(self, task: Task) -> None:
        if not task.settled and not task.copies:
            self._model(task.piece.model).put_back(task)
            self._waiting_blocks += len(task.shard.blocks)

    def _fail(self, failures: dict[str, Failure]) -> dict[str, Failure]:
        self._failed.update(failures)
        return failures

    def _model(self, name: str) -> _ModelWork:
        return self._models.setdefault(name, _ModelWork(self._claims))

    def _neediest(self, holders: Mapping[str, int]) -> str:
        return max(self._models, key=lambda name: self._models[name].work / (holders.get(name, 0) + 1))

    def _take(self, model: _ModelWork, size: Callable[[Piece], int]) -> Task | None:
        while (task := model.next(size)) is not None:
            self._waiting_blocks -= len(task.shard.blocks)
            defenses = {key: value for key, value in task.shard.defenses.items() if key not in self._failed}
            task.shard = replace(task.shard, defenses=defenses)
            if not task.settled:
                return task
        return None


class _ModelWork:
    """The work of one model: what came back first, then its spans from the heaviest on."""

    def __init__(self, claims: Claims) -> None:
        self.shares: deque[Share] = deque()
        self.work = 0.0
        self._claims = claims
        self._returned: deque[Task] = deque()
        self._granted: deque[Share] = deque()
        self._current: _Cutter | None = None

    def __bool__(self) -> bool:
        return bool(self._returned or self._current or self._granted or self.shares)

    def put_back(self, task: Task) -> None:
        self._returned.append(task)
        self.work += task.work

    def grant(self, number: int, span: Span) -> None:
        self._granted.append((number, span))
        self.work += span.work

    def next(self, size: Callable[[Piece], int]) -> Task | None:
        task = self._returned.popleft() if self._returned else self._cut(size)
        if task is not None:
            self.work -= task.work
        return task

    def _cut(self, size: Callable[[Piece], int]) -> Task | None:
        if self._current is None:
            if not self._granted:
                self._granted.extend(self._claims.draw(self.shares))
            if not self._granted:
                return None
            self._current = _Cutter(*self._granted.popleft())
        task = self._current.cut(size)
        if not self._current.left:
            self._current = None
        return task


class _Cutter:
    """Cuts one span, from its first block to its last."""

    def __init__(self, group: int, span: Span) -> None:
        self._whole = next(shards(with_blocks(span, span.blocks[:1]), 1))
        self._blocks = iter(span.blocks)
        self.left = len(span.blocks)
        work = span.work / len(span.blocks)
        self._piece = Piece(group, span.cells[0].model.name, len(span.cells), work)

    def cut(self, size: Callable[[Piece], int]) -> Task:
        blocks = tuple(islice(self._blocks, max(1, size(self._piece))))
        self.left -= len(blocks)
        return Task(replace(self._whole, blocks=blocks), self._piece)
