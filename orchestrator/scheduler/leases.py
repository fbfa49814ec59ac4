"""Leases: several runs on one PostgreSQL database divide the cells that they share, and no block is computed twice.

A lease is on a tile: a fixed range of blocks of an attack group, whatever the defenses. A run leases the tiles that it
measures in the next seconds. It keeps the spans of tiles that another driver holds for its end and asks for them again
then: by that time they are measured, or their driver has released them, or it is dead.

While the database is down nothing can be leased. A driver that was the only one then measures without leases, and
leases what it has begun when the database is back. A driver that was not continues with the tiles that it holds.
"""

from __future__ import annotations

import os
import secrets
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from orchestrator.grid.cell import Cell
from orchestrator.plan.plan import Span, spans_of, with_blocks
from orchestrator.scheduler.lease_manager import LeaseManager, NoLeases, PlannedSpan
from orchestrator.scheduler.processes import machine_id, process_exists
from orchestrator.scheduler.tiles import join_spans, split_by_tile, take_tiles, tiles_of
from orchestrator.store import (
    HEARTBEATS_PER_LEASE,
    TILE_BLOCKS,
    BlockRow,
    DriverRecord,
    ResultStore,
    StoreUnavailableError,
    Tile,
    is_sqlite,
)
from orchestrator.writing.reconnect import DatabaseConnection
from scc_core.blocks import BlockRanges
from scc_core.machine import settings

_AHEAD_SECONDS = 2.0
_MOST_TILES = 64
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5.0


class DatabaseLeases:
    """The leases of one driver in a PostgreSQL database.

    Args:
        store: the database.
        run: the run's id.
        count_blocks: is called with a cell and the number of its blocks that other drivers have measured.
        connection: tells whether the database is up.
        clock: in seconds.
    """

    def __init__(
        self,
        store: ResultStore,
        run: str,
        count_blocks: Callable[[str, int], None],
        connection: DatabaseConnection,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._driver = DriverRecord(secrets.token_hex(8), run, machine_id(), os.getpid(), settings.LEASE_SECONDS.read())
        self._count_blocks = count_blocks
        self._connection = connection
        self._clock = clock
        self._attack_groups: dict[str, str] = {}
        self._unfinished: dict[Tile, set[tuple[str, int]]] = {}
        """Blocks of each leased tile, as pairs of cell and number, that are not in the database yet."""
        self._finished: list[Tile] = []
        """Leases to release."""
        self._unleased: set[Tile] = set()
        """Tiles that were begun without a lease while the database was down."""
        self._held_by_others: deque[PlannedSpan] = deque()
        self._failed_cells: set[str] = set()
        self._pace = _Pace(clock)
        self.measured_by_others = 0
        self._pause, self._next_request = _FIRST_PAUSE, 0.0
        self.heartbeat()

    @property
    def waiting(self) -> bool:
        """Whether other drivers hold something that this run needs."""
        return bool(self._held_by_others)

    def acquire(self, queued: deque[PlannedSpan]) -> list[PlannedSpan]:
        """Take the next spans out of ``queued``, lease their tiles and return what may be measured."""
        while queued:
            leased = self._lease(take_tiles(queued, self._pace.tiles(_AHEAD_SECONDS)), take_expired=False)
            if leased:
                return leased
        return []

    def acquire_released(self) -> list[PlannedSpan]:
        """Return what other drivers held and may be measured now; ask the database less and less often."""
        if not self._held_by_others or self._clock() < self._next_request:
            return []
        before = len(self._held_by_others)
        leased = self._lease(take_tiles(self._held_by_others, _MOST_TILES), take_expired=True)
        changed = leased or len(self._held_by_others) < before
        self._pause = _FIRST_PAUSE if changed else min(2 * self._pause, _LONGEST_PAUSE)
        self._next_request = self._clock() + self._pause
        return leased

    def blocks_written(self, rows: Sequence[BlockRow]) -> None:
        """Note that blocks are in the database; a tile that lacks none is released at the next tick."""
        for row in rows:
            tile = Tile(self._attack_groups.get(row.cell, ""), row.number // TILE_BLOCKS)
            missing = self._unfinished.get(tile)
            if missing is not None:
                missing.discard((row.cell, row.number))
                if not missing:
                    self._finish_tile(tile)

    def cells_failed(self, cells: Collection[str]) -> None:
        """Note that cells failed, so that no tile waits for their blocks."""
        self._failed_cells.update(cells)
        for tile, missing in list(self._unfinished.items()):
            missing -= {(cell, block) for cell, block in missing if cell in self._failed_cells}
            if not missing:
                self._finish_tile(tile)

    def tick(self) -> None:
        """Send a heartbeat when it is due, and release finished tiles; called about once a second."""
        if not self._connection.is_up:
            return
        try:
            if self._clock() - self._last_heartbeat >= self._driver.lease_seconds / HEARTBEATS_PER_LEASE:
                self.heartbeat()
            if self._finished:
                self._store.release_leases(self._driver, self._finished)
                self._finished = []
        except StoreUnavailableError as error:
            self._connection.lost(error)

    def heartbeat(self) -> None:
        """Tell the other drivers that this one lives, and count those that do.

        Raises:
            StoreUnavailableError: the database is down.
        """
        self._other_drivers = self._store.driver_heartbeat(self._driver)
        self._last_heartbeat = self._clock()

    def database_returned(self) -> None:
        """Lease the tiles that were begun without a lease, before anything else is written."""
        try:
            self.heartbeat()
            if self._unleased:
                self._store.acquire_leases(self._driver, sorted(self._unleased))
                self._unleased.clear()
        except StoreUnavailableError as error:
            self._connection.lost(error)

    def close(self) -> None:
        """Release all leases."""
        try:
            self._store.remove_driver(self._driver)
        except StoreUnavailableError:
            # The other drivers take the leases over once they have expired.
            return

    def _lease(self, spans: Sequence[PlannedSpan], *, take_expired: bool) -> list[PlannedSpan]:
        """Lease the tiles of ``spans`` and return what is missing there; keep the spans of tiles that others hold."""
        tiles = sorted({tile for _, span in spans for tile in tiles_of(span)})
        mine, measured = self._request(tiles, spans, take_expired=take_expired)
        leased: list[PlannedSpan] = []
        for number, span in spans:
            for blocks, tile in split_by_tile(span):
                if tile in mine:
                    leased += [PlannedSpan(number, part) for part in self._begin(tile, span, blocks, measured)]
                else:
                    self._held_by_others.append(PlannedSpan(number, with_blocks(span, blocks)))
        self._finished += [tile for tile in tiles if tile in mine and tile not in self._unfinished]
        return join_spans(leased)

    def _request(
        self, tiles: Sequence[Tile], spans: Sequence[PlannedSpan], *, take_expired: bool
    ) -> tuple[set[Tile], Mapping[str, BlockRanges]]:
        """Return which of ``tiles`` this driver may measure, and which blocks of ``spans`` are measured already."""
        if not self._connection.is_up:
            return self._without_leases(tiles), {}
        wanted: dict[str, BlockRanges] = {}
        for _, span in spans:
            for cell in span.cells:
                wanted[cell.key] = wanted.get(cell.key, BlockRanges()) | BlockRanges((span.blocks,))
        try:
            processes = self._store.drivers_on_machine(self._driver) if take_expired else {}
            dead = [driver for driver, pid in processes.items() if not process_exists(pid)]
            # While the database was down the other drivers could send no heartbeat, so they get a lease's time for it.
            up_long = self._clock() - self._connection.up_since >= self._driver.lease_seconds
            mine = self._store.acquire_leases(self._driver, tiles, dead=dead, take_expired=take_expired and up_long)
            return mine, self._store.measured_blocks(wanted, within=wanted) if mine else {}
        except StoreUnavailableError as error:
            self._connection.lost(error)
            return self._without_leases(tiles), {}

    def _without_leases(self, tiles: Sequence[Tile]) -> set[Tile]:
        """Return what may be measured while the database is down: everything, unless there are other drivers."""
        mine = set() if self._other_drivers else set(tiles)
        self._unleased |= mine
        return mine

    def _begin(self, tile: Tile, span: Span, blocks: range, measured: Mapping[str, BlockRanges]) -> list[Span]:
        """Return what is missing of ``blocks``, the part of a span that lies in a leased tile, and remember it."""
        whole = BlockRanges((blocks,))
        missing: dict[Cell, BlockRanges] = {}
        for cell in span.cells:
            self._attack_groups[cell.key] = cell.attack_group
            present = whole & measured.get(cell.key, BlockRanges())
            if present:
                self._count_blocks(cell.key, len(present))
            if cell.key not in self._failed_cells:
                missing[cell] = whole - present
        parts = list(spans_of(missing))
        self.measured_by_others += len(blocks) - sum(len(part.blocks) for part in parts)
        begun = {(cell.key, block) for part in parts for cell in part.cells for block in part.blocks}
        if begun:
            self._unfinished.setdefault(tile, set()).update(begun)
        return parts

    def _finish_tile(self, tile: Tile) -> None:
        del self._unfinished[tile]
        self._pace.count()
        if tile in self._unleased:
            self._unleased.discard(tile)
        else:
            self._finished.append(tile)


@contextmanager
def open_leases(
    store: ResultStore, run: str, count_blocks: Callable[[str, int], None], connection: DatabaseConnection
) -> Iterator[LeaseManager]:
    """Give a driver its lease manager: leases in the database, unless it is an SQLite file, which has one driver.

    Args:
        store: the database.
        run: the run's id.
        count_blocks: is called with a cell and the number of its blocks that other drivers have measured.
        connection: tells whether the database is up.
    """
    if is_sqlite(store.url):
        yield NoLeases()
        return
    leases = DatabaseLeases(store, run, count_blocks, connection)
    try:
        yield leases
    finally:
        leases.close()


class _Pace:
    """How many tiles this driver has recently finished per second."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._moments: deque[float] = deque(maxlen=_MOST_TILES)

    def count(self) -> None:
        """Count a finished tile."""
        self._moments.append(self._clock())

    def tiles(self, seconds: float) -> int:
        """Return how many tiles are finished in ``seconds``; 1 while too few are finished to tell."""
        if len(self._moments) < 2:
            return 1
        elapsed = max(self._clock() - self._moments[0], 1e-3)
        return max(1, min(_MOST_TILES, int(len(self._moments) * seconds / elapsed)))
