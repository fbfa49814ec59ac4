"""Which parts of a plan this driver may measure: the interface to leases, and the driver that needs none."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

from orchestrator.plan.plan import Span
from orchestrator.store import BlockRow


class PlannedSpan(NamedTuple):
    """A span or a part of one.

    Attributes:
        number: of the span of the plan that it is or is a part of.
        span: the cells and blocks.
    """

    number: int
    span: Span


class LeaseManager(Protocol):
    """Leases parts of the plan, so that no two drivers measure the same block."""

    @property
    def waiting(self) -> bool:
        """Whether other drivers hold something that this run needs."""

    @property
    def measured_by_others(self) -> int:
        """How many blocks of the plan other drivers have measured since the plan was made."""

    def acquire(self, queued: deque[PlannedSpan]) -> list[PlannedSpan]:
        """Take the next spans out of ``queued`` and return what may be measured now; empty when none is left."""

    def acquire_released(self) -> list[PlannedSpan]:
        """Return what other drivers held and may be measured now; called repeatedly while :attr:`waiting`."""

    def blocks_written(self, rows: Sequence[BlockRow]) -> None:
        """Note that blocks are in the database."""

    def cells_failed(self, cells: Collection[str]) -> None:
        """Note that cells failed, so that their blocks need no lease any more."""

    def tick(self) -> None:
        """Do what is due; called about once a second."""

    def database_returned(self) -> None:
        """Note that the database answers again."""


class NoLeases:
    """The lease manager of a driver that has its database to itself: everything may be measured."""

    waiting = False
    measured_by_others = 0

    def acquire(self, queued: deque[PlannedSpan]) -> list[PlannedSpan]:
        """Take the next span."""
        return [queued.popleft()] if queued else []

    def acquire_released(self) -> list[PlannedSpan]:
        """Return nothing, since no other driver holds anything."""
        return []

    def blocks_written(self, rows: Sequence[BlockRow]) -> None:
        """Do nothing."""

    def cells_failed(self, cells: Collection[str]) -> None:
        """Do nothing."""

    def tick(self) -> None:
        """Do nothing."""

    def database_returned(self) -> None:
        """Do nothing."""
