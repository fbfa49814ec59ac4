"""How far a run is, counted from what was measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from orchestrator.plan.plan import Plan
from orchestrator.scheduler.worker_pool import WorkerCounts
from scc_core.outcomes import BlockResult


class Stage(Enum):
    """How far a run has got."""

    STARTING = "starting"
    """No worker is ready."""
    WORKING = "working"
    """A worker is ready, and there is no result yet."""
    MEASURING = "measuring"
    """There are results."""


@dataclass
class WorkerProgress:
    """What one worker has done: images are counted once per cell, and seconds only while it computes."""

    name: str = ""
    device: str = ""
    model: str = ""
    images: int = 0
    seconds: float = 0.0

    @property
    def images_per_second(self) -> float:
        """Return defended predictions per second of computing, with the time of the attacks."""
        return self.images / self.seconds if self.seconds else 0.0


@dataclass
class Progress:
    """How much of a run's plan is done; work is counted in forward passes of the image tower.

    Attributes:
        plan: of the run.
        clock: in seconds.
        workers: what each worker has done, by its number.
        failed_cells: keys of the cells that failed for good.
        worker_counts: how many workers are in each state; None before the scheduler has counted any.
    """

    plan: Plan
    clock: Callable[[], float] = time.monotonic
    workers: dict[int, WorkerProgress] = field(default_factory=dict)
    failed_cells: set[str] = field(default_factory=set)
    worker_counts: WorkerCounts | None = None

    def __post_init__(self) -> None:
        self._missing = self.plan.missing_blocks()
        self._cell_work = self.plan.cell_work()
        self._missing_blocks = sum(self._missing.values())
        self._work = self.plan.work
        self._started = self.clock()
        self.remaining_work = float(self._work)

    @property
    def cells(self) -> int:
        """Return how many cells the run has."""
        return len(self.plan.cells)

    @property
    def cells_done(self) -> int:
        """Return how many cells are measured to the end."""
        return self.cells - sum(count > 0 for count in self._missing.values())

    @property
    def fraction(self) -> float:
        """Return the part of this run's work that is done, in [0, 1]."""
        return 1.0 - self.remaining_work / self._work if self._work else 1.0

    @property
    def elapsed(self) -> float:
        """Return seconds since the start."""
        return self.clock() - self._started

    @property
    def seconds_left(self) -> float | None:
        """Return the estimated seconds to the end, None while nothing is done.

        It is estimated from the seconds that workers computed, which leave out the start of Ray and of the models.
        """
        seconds = sum(worker.seconds for worker in self.workers.values())
        if not seconds or self.fraction <= 0:
            return None
        return self.remaining_work * seconds / (self._work * self.fraction) / self._num_workers

    @property
    def images_per_second(self) -> float:
        """Return defended predictions per second of all workers together."""
        seconds = sum(worker.seconds for worker in self.workers.values())
        images = sum(worker.images for worker in self.workers.values())
        return images / seconds * self._num_workers if seconds else 0.0

    @property
    def stage(self) -> Stage:
        """Return how far the run has got."""
        if self.workers:
            return Stage.MEASURING
        return Stage.WORKING if self._ready_workers else Stage.STARTING

    def add(self, number: int, model: str, results: Sequence[BlockResult]) -> None:
        """Count the results that worker ``number`` delivered."""
        worker = self.workers.setdefault(number, WorkerProgress())
        worker.model = model
        attacks_seen: dict[int, float] = {}
        for result in results:
            worker.name, worker.device = result.worker, result.device
            worker.images += len(result.outcomes)
            worker.seconds += result.defense.seconds
            attacks_seen[result.block] = result.attack.seconds
            self.count_blocks(result.cell, 1)
        # The cells of a shard share its attack, so it is counted once per block.
        worker.seconds += sum(attacks_seen.values())

    def count_blocks(self, cell: str, blocks: int) -> None:
        """Count measured blocks of a cell, whichever run measured them.

        Each counts with the average work of the cell's missing blocks, of which the last may be short.
        """
        # A driver that lost the database for a while may be told of a block twice.
        counted = min(blocks, self._missing[cell])
        if counted:
            work = self._cell_work[cell] * counted / self._missing[cell]
            self._missing[cell] -= counted
            self._missing_blocks -= counted
            self._subtract_work(cell, work)

    def fail(self, cells: Sequence[str]) -> None:
        """Count cells that failed for good; the rest of their work will not be done."""
        for cell in cells:
            if cell not in self.failed_cells:
                self.failed_cells.add(cell)
                self._subtract_work(cell, self._cell_work[cell])

    @property
    def _ready_workers(self) -> int:
        return 0 if self.worker_counts is None else self.worker_counts.ready

    @property
    def _num_workers(self) -> int:
        """Return how many workers compute: the ready ones or, if none is counted, those that delivered results."""
        return self._ready_workers or len(self.workers)

    def _subtract_work(self, cell: str, work: float) -> None:
        self._cell_work[cell] -= work
        # At the end only rounding errors are left of the work.
        self.remaining_work = max(0.0, self.remaining_work - work) if self._missing_blocks else 0.0
