"""How fast each kind of device measures each model: sizes shards, and tells when a worker hangs."""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.scheduler.task_queue import BlockProfile, Task
from workers.report import Report

SHARD_SECONDS = 10.0
"""How long a shard should take. Shorter shards give the driver more work, longer ones cost more when a worker dies."""
MAX_SHARD_BLOCKS = 256
"""Blocks of a shard at most."""
MAX_SHARD_RESULTS = 2048
"""Blocks times cells of a shard at most; the results of many shards must fit the driver's memory at a time."""
_MIN_PART = 20
"""Shards that are shortened near the end keep at least this part of their length: one twentieth."""
FIRST_SHARD_BLOCKS = 4
"""Blocks of a shard whose model no such device has measured yet."""

HANG_SECONDS = 600.0
"""A worker that is silent on a shard for less never counts as hung."""
_HANG_FACTOR = 10.0
"""A shard may take this many times as long as blocks of its attack group took before."""
_OTHER_GROUP_FACTOR = 10.0
"""It may take this many times longer still where only other attack groups of its model were measured."""
_UNMEASURED_FACTOR = 24.0
"""It may take this many times the least time where the device has measured nothing of its model."""


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


@dataclass
class DeviceSpeeds:
    """What the workers' reports tell of the speed of models on devices; none of it changes what is done to an image.

    Args:
        hang_seconds: a worker that is silent on a shard for less never counts as hung.
    """

    hang_seconds: float = HANG_SECONDS
    _all: _Rate = field(default_factory=_Rate)
    _per_block: dict[tuple[int, str], _Rate] = field(default_factory=dict)
    _per_work: dict[tuple[str, str], _Rate] = field(default_factory=dict)

    def record(self, device: str, task: Task, report: Report) -> None:
        """Learn from the report of a worker on ``device``; called before the queue accepts the report."""
        # A task with fewer cells than its span is a retry, which tells nothing of the span's other shards.
        whole = len(task.shard.defenses) == task.profile.cells
        blocks = len({result.block for result in report.results}) if whole else 0
        model = task.profile.model
        if blocks:
            self._per_block.setdefault((task.profile.span_number, device), _Rate()).add(report.seconds, blocks)
            for rate in (self._all, self._per_work.setdefault((model, device), _Rate())):
                rate.add(report.seconds, blocks * task.profile.work)

    def shard_blocks(self, device: str, profile: BlockProfile, fair_blocks: int) -> int:
        """Return how many blocks a shard should have.

        Args:
            device: of the worker.
            profile: of the span that the shard is cut from.
            fair_blocks: the queued blocks divided by the workers. Near the end it shortens shards, so that all workers
                finish at the same time.
        """
        seconds = self._seconds_per_block(device, profile)
        blocks = FIRST_SHARD_BLOCKS if seconds is None else int(SHARD_SECONDS / max(seconds, 1e-9))
        blocks = min(blocks, MAX_SHARD_BLOCKS, MAX_SHARD_RESULTS // profile.cells)
        return max(1, min(blocks, max(fair_blocks, blocks // _MIN_PART)))

    def seconds_of_work(self, work: float) -> float | None:
        """Return how long one worker takes for ``work`` on the average; None where nothing was measured."""
        rate = self._all.seconds_per_unit
        return None if rate is None else rate * work

    def expected_seconds(self, device: str, task: Task) -> float | None:
        """Return how long the rest of a task should take; None where nothing like it was measured."""
        seconds = self._seconds_per_block(device, task.profile)
        return None if seconds is None else seconds * len(task.shard.blocks)

    def allowed_seconds(self, device: str, task: Task) -> float:
        """Return how long a worker may be silent on a task before it counts as hung."""
        expected = self.expected_seconds(device, task)
        if expected is None:
            return _UNMEASURED_FACTOR * self.hang_seconds
        same_group = (task.profile.span_number, device) in self._per_block
        return max(self.hang_seconds, _HANG_FACTOR * (1.0 if same_group else _OTHER_GROUP_FACTOR) * expected)

    def _seconds_per_block(self, device: str, profile: BlockProfile) -> float | None:
        same_span = self._per_block.get((profile.span_number, device))
        if same_span is not None:
            return same_span.seconds_per_unit
        same_model = self._per_work.get((profile.model, device))
        rate = None if same_model is None else same_model.seconds_per_unit
        return None if rate is None else rate * profile.work
