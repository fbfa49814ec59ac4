"""How fast each kind of device is at what: it sizes shards and batches, and says when a worker must have hung."""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.scheduler.task_queue import Piece, Task
from scc_core.blocks import blocks_of_batch
from workers.report import Report

SHARD_SECONDS = 10.0
"""What a shard should take: long enough that the driver has little to do, short enough that a death costs little."""
MAX_SHARD_BLOCKS = 256
MAX_SHARD_RESULTS = 2048
"""Blocks, and blocks times cells, of a shard: what it brings back must fit the driver's memory many times over."""
_SHORTEST = 20
"""Shards are not cut into smaller parts than this for the sake of the end."""
FIRST_SHARD_BLOCKS = 4
"""Of a model that no such device has measured yet; enough to try some sizes of batches."""

HANG_SECONDS = 600.0
"""A worker that is silent on a shard for less never counts as hung."""
_HANG_FACTOR = 10.0
"""A shard may take this many times what blocks of its attack group took before."""
_UNSURE = 10.0
"""And so many times more where only other attack groups of its model were measured."""
_UNMEASURED = 24.0
"""Times the least, where the device has not measured anything of the model."""


@dataclass
class _Rate:
    seconds: float = 0.0
    units: float = 0.0

    def add(self, seconds: float, units: float) -> None:
        self.seconds += seconds
        self.units += units

    @property
    def seconds_per_unit(self) -> float | None:
        return self.seconds / self.units if self.units else None


@dataclass(frozen=True)
class _Batch:
    size: int
    growing: bool


@dataclass
class Speeds:
    """What reports have told of models on devices; nothing of it changes a result.

    Args:
        hang_seconds: how long a worker may at least be silent on a shard before it counts as hung.
    """

    hang_seconds: float = HANG_SECONDS
    _all: _Rate = field(default_factory=_Rate)
    _blocks: dict[tuple[int, str], _Rate] = field(default_factory=dict)
    _work: dict[tuple[str, str], _Rate] = field(default_factory=dict)
    _batches: dict[tuple[str, str], _Batch] = field(default_factory=dict)

    def record(self, device: str, task: Task, report: Report) -> None:
        """Learn from what a worker on ``device`` reports of a task; call it before the queue accepts the report."""
        whole = len(task.shard.defenses) == task.piece.cells
        blocks = len({result.block for result in report.results}) if whole else 0
        model = task.piece.model
        if blocks:
            self._blocks.setdefault((task.piece.group, device), _Rate()).add(report.seconds, blocks)
            for rate in (self._all, self._work.setdefault((model, device), _Rate())):
                rate.add(report.seconds, blocks * task.piece.work)
        if report.batch_size:
            self._batches[model, device] = _Batch(report.batch_size, report.growing)

    def batch_size(self, device: str, model: str) -> int | None:
        """Return the batch size that was found for a model on such a device; None while it is being found."""
        batch = self._batches.get((model, device))
        return None if batch is None or batch.growing else batch.size

    def shard_blocks(self, device: str, piece: Piece, fair: int) -> int:
        """Return how many blocks a shard should have.

        Args:
            device: that it is for.
            piece: that it is cut from.
            fair: a worker's share of what is left: towards the end shards become shorter, so that all end together.
        """
        seconds = self._seconds_per_block(device, piece)
        blocks = FIRST_SHARD_BLOCKS if seconds is None else int(SHARD_SECONDS / max(seconds, 1e-9))
        batch = self._batches.get((piece.model, device))
        if batch is not None:
            blocks = max(blocks, blocks_of_batch(batch.size * (1 + batch.growing)))
        blocks = min(blocks, MAX_SHARD_BLOCKS, MAX_SHARD_RESULTS // piece.cells)
        return max(1, min(blocks, max(fair, blocks // _SHORTEST)))

    def seconds_of_work(self, work: float) -> float | None:
        """Return what work takes a worker on the average; None where nothing was measured."""
        rate = self._all.seconds_per_unit
        return None if rate is None else rate * work

    def expected_seconds(self, device: str, task: Task) -> float | None:
        """Return what is left of a task should take; None where nothing like it was measured."""
        seconds = self._seconds_per_block(device, task.piece)
        return None if seconds is None else seconds * len(task.shard.blocks)

    def allowed_seconds(self, device: str, task: Task) -> float:
        """Return how long a worker may be silent on a task before it counts as hung."""
        expected = self.expected_seconds(device, task)
        if expected is None:
            return _UNMEASURED * self.hang_seconds
        sure = (task.piece.group, device) in self._blocks
        return max(self.hang_seconds, _HANG_FACTOR * (1.0 if sure else _UNSURE) * expected)

    def _seconds_per_block(self, device: str, piece: Piece) -> float | None:
        own = self._blocks.get((piece.group, device))
        if own is not None:
            return own.seconds_per_unit
        model = self._work.get((piece.model, device))
        rate = None if model is None else model.seconds_per_unit
        return None if rate is None else rate * piece.work
