"""The queue of shards: workers keep their model, failures are counted, nothing is handed out twice."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from itertools import chain

from orchestrator.leases import Alone, Claims, Share
from orchestrator.plan import Plan, shards
from scc_core.measurement import Failure
from workers.shard import Shard

MAX_DEATHS = 3
"""Workers that may die on a shard before its cells are failed."""
MAX_ERRORS = 2
"""Times that a cell's component may raise on a shard before the cell is failed."""

_BATCH_AFTER_KILL = 4
_KILL_DIVISOR = 4


@dataclass(frozen=True)
class Task:
    """A shard with the history of its attempts."""

    shard: Shard
    deaths: int = 0
    errors: int = 0


class WorkQueue:
    """Hands out shards, those of a worker's own model first, and takes back what failed.

    Shards are cut from the plan's spans on demand, so that memory does not grow with their number.
    """

    def __init__(self, plan: Plan, workers: int, claims: Claims | None = None) -> None:
        self._size = plan.shard_blocks(workers)
        self._claims = claims or Alone()
        self._fresh: dict[str, Iterator[Shard]] = {}
        self._retries: deque[Task] = deque()
        self._failed: set[str] = set()
        shares: dict[str, deque[Share]] = {}
        for share in enumerate(plan.spans):
            shares.setdefault(share[1].cells[0].model.name, deque()).append(share)
        for name, own in shares.items():
            self._fresh[name] = self._cut(own)

    @property
    def waiting(self) -> bool:
        """Whether other drivers hold something that may come back to this queue."""
        return self._claims.waiting

    def take(self, model: str | None, held: Collection[str] = ()) -> Task | None:
        """Return the next task, or None when there is none.

        Args:
            model: the model that the worker holds; its shards come first.
            held: models that other workers hold; their shards come last.
        """
        while self._retries:
            task = self._without_failed(self._retries.popleft())
            if task is not None:
                return task
        for _, span in self._claims.freed():
            name = span.cells[0].model.name
            self._fresh[name] = chain(shards(span, self._size), self._fresh.get(name, ()))
        order = sorted(self._fresh, key=lambda name: (name != model, name in held))
        for name in order:
            for shard in self._fresh[name]:
                task = self._without_failed(Task(shard))
                if task is not None:
                    return task
            del self._fresh[name]
        return None

    def worker_died(self, task: Task, *, running: bool, reason: str, out_of_memory: bool = False) -> dict[str, Failure]:
        """Take back a task whose worker died; return the cells that fail because it happened too often.

        A task that ran while its worker was killed for the host's memory comes back with a smaller batch.
        """
        task = replace(task, deaths=task.deaths + running)
        if out_of_memory and running:
            smaller = max(1, (task.shard.max_batch_size or _BATCH_AFTER_KILL * _KILL_DIVISOR) // _KILL_DIVISOR)
            task = replace(task, shard=replace(task.shard, max_batch_size=smaller))
        if task.deaths < MAX_DEATHS:
            self._retries.append(task)
            return {}
        failure = Failure(f"{task.deaths} workers died while measuring this cell's shard: {reason}", reason)
        return self._fail(dict.fromkeys(task.shard.defenses, failure))

    def component_failed(self, task: Task, failures: dict[str, Failure]) -> dict[str, Failure]:
        """Queue the failing cells of a task once more; return the cells that fail because it happened again."""
        if task.errors + 1 >= MAX_ERRORS:
            return self._fail(failures)
        shard = replace(task.shard, defenses={key: task.shard.defenses[key] for key in failures})
        self._retries.append(Task(shard, task.deaths, task.errors + 1))
        return {}

    def _fail(self, failures: dict[str, Failure]) -> dict[str, Failure]:
        self._failed.update(failures)
        return failures

    def _without_failed(self, task: Task) -> Task | None:
        defenses = {key: value for key, value in task.shard.defenses.items() if key not in self._failed}
        return replace(task, shard=replace(task.shard, defenses=defenses)) if defenses else None

    def _cut(self, shares: deque[Share]) -> Iterator[Shard]:
        while granted := self._claims.draw(shares):
            for _, span in granted:
                yield from shards(span, self._size)
