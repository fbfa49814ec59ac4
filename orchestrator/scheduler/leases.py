"""Leases: several runs on one PostgreSQL database divide what they have in common, and no block is computed twice.

What is leased is a tile: a fixed range of blocks of an attack group, whatever its defenses. A run leases ahead what it
computes in the next seconds; what another one holds it sets aside, and asks for again when nothing else is left: by
then it is measured, or free because its driver is done with it, or dead.

While the database is away nothing can be leased. A driver that was alone then goes on with whatever it likes, and
leases it when the database is back; one of several goes on with what it has.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from orchestrator.grid.cell import Cell
from orchestrator.plan.plan import Span, spans_of, with_blocks
from orchestrator.store import (
    BEATS_PER_LEASE,
    TILE_BLOCKS,
    BlockRow,
    DriverRecord,
    ResultStore,
    StoreUnavailableError,
    Tile,
)
from orchestrator.writing.reconnect import Contact
from scc_core.blocks import BlockRanges
from scc_core.machine import settings

_AHEAD_SECONDS = 2.0
_MOST_TILES = 64
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5.0


Share = tuple[int, Span]
"""A span, or a part of one, with the number of the plan's span that it comes from."""


class Claims(Protocol):
    """Decides what this driver may measure of what is missing."""

    @property
    def waiting(self) -> bool:
        """Whether other drivers hold something that this run needs."""

    @property
    def vanished(self) -> int:
        """Blocks of the plan that nobody needs to measure any more, since others have measured them."""

    def draw(self, shares: deque[Share]) -> list[Share]:
        """Take the next of ``shares`` out and return what may be measured now; empty when they are at an end."""

    def freed(self) -> list[Share]:
        """Return what other drivers held and may be measured now; called again and again while :attr:`waiting`."""

    def settle(self, rows: Sequence[BlockRow]) -> None:
        """Note that blocks are in the database."""

    def give_up(self, cells: Collection[str]) -> None:
        """Note that cells failed."""

    def tick(self) -> None:
        """Called about once a second."""

    def returned(self) -> None:
        """Note that the database answers again."""


class Alone:
    """Claims where there is no other driver: everything may be measured."""

    waiting = False
    vanished = 0

    def draw(self, shares: deque[Share]) -> list[Share]:
        """Take the next share."""
        return [shares.popleft()] if shares else []

    def freed(self) -> list[Share]:
        """Return nothing, since nobody holds anything."""
        return []

    def settle(self, rows: Sequence[BlockRow]) -> None:
        """Do nothing."""

    def give_up(self, cells: Collection[str]) -> None:
        """Do nothing."""

    def tick(self) -> None:
        """Do nothing."""

    def returned(self) -> None:
        """Do nothing."""


class Leases:
    """The leases of one driver.

    Args:
        store: the PostgreSQL database.
        run: the run's id.
        elsewhere: told how many blocks of a cell another run has measured.
        contact: knows whether the database is away.
        clock: in seconds.
    """

    def __init__(
        self,
        store: ResultStore,
        run: str,
        elsewhere: Callable[[str, int], None],
        contact: Contact,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._driver = DriverRecord(
            secrets.token_hex(8), run, this_machine(), os.getpid(), settings.LEASE_SECONDS.read()
        )
        self._elsewhere = elsewhere
        self._contact = contact
        self._clock = clock
        self._groups: dict[str, str] = {}
        self._open: dict[Tile, set[tuple[str, int]]] = {}
        self._done: list[Tile] = []
        self._unleased: set[Tile] = set()
        self._aside: deque[Share] = deque()
        self._given_up: set[str] = set()
        self._pace = _Pace(clock)
        self.vanished = 0
        self._pause, self._next_poll = _FIRST_PAUSE, 0.0
        self._others = store.beat(self._driver)
        self._last_beat = clock()

    @property
    def waiting(self) -> bool:
        """Whether other drivers hold something that this run needs."""
        return bool(self._aside)

    def draw(self, shares: deque[Share]) -> list[Share]:
        """Lease the next of ``shares``, which are taken out, and return what of them may be measured."""
        while shares:
            granted = self._lease(_take_tiles(shares, self._pace.tiles(_AHEAD_SECONDS)), patient=False)
            if granted:
                return granted
        return []

    def freed(self) -> list[Share]:
        """Return what was set aside and may be measured now; ask the database less and less often."""
        if not self._aside or self._clock() < self._next_poll:
            return []
        before = len(self._aside)
        granted = self._lease(_take_tiles(self._aside, _MOST_TILES), patient=True)
        moved = granted or len(self._aside) < before
        self._pause = _FIRST_PAUSE if moved else min(2 * self._pause, _LONGEST_PAUSE)
        self._next_poll = self._clock() + self._pause
        return granted

    def settle(self, rows: Sequence[BlockRow]) -> None:
        """Note that blocks are in the database; a tile without any that is missing is given back."""
        for row in rows:
            tile = Tile(self._groups.get(row.cell, ""), row.number // TILE_BLOCKS)
            missing = self._open.get(tile)
            if missing is not None:
                missing.discard((row.cell, row.number))
                if not missing:
                    self._close(tile)

    def give_up(self, cells: Collection[str]) -> None:
        """Note that cells failed, so that nobody waits for them."""
        self._given_up.update(cells)
        for tile, missing in list(self._open.items()):
            missing -= {(cell, block) for cell, block in missing if cell in self._given_up}
            if not missing:
                self._close(tile)

    def tick(self) -> None:
        """Give back what is done, and say that this driver lives when it is time; called about once a second."""
        if self._contact.away:
            return
        try:
            if self._clock() - self._last_beat >= self._driver.lease_seconds / BEATS_PER_LEASE:
                self._beat()
            if self._done:
                self._store.release(self._driver, self._done)
                self._done = []
        except StoreUnavailableError as error:
            self._contact.lose(error)

    def returned(self) -> None:
        """Note that the database is back: what was begun without a lease is leased before anything else happens."""
        try:
            self._beat()
            if self._unleased:
                self._store.claim(self._driver, sorted(self._unleased), patient=False)
                self._unleased.clear()
        except StoreUnavailableError as error:
            self._contact.lose(error)

    def close(self) -> None:
        """Give everything back."""
        try:
            self._store.leave(self._driver)
        except StoreUnavailableError:
            # Nobody waits for longer than the lease lasts.
            return

    def _lease(self, shares: Sequence[Share], *, patient: bool) -> list[Share]:
        """Lease what can be had of ``shares``; set the rest aside, and forget what is measured meanwhile."""
        wanted = sorted({tile for _, span in shares for tile in _tiles(span)})
        mine, held = self._ask(wanted, shares, patient=patient)
        granted: list[Share] = []
        for number, span in shares:
            for blocks, tile in _by_tile(span):
                if tile in mine:
                    granted += [(number, part) for part in self._missing(span, blocks, held, tile)]
                else:
                    self._aside.append((number, with_blocks(span, blocks)))
        self._done += [tile for tile in wanted if tile in mine and tile not in self._open]
        return _joined(granted)

    def _ask(
        self, wanted: Sequence[Tile], shares: Sequence[Share], *, patient: bool
    ) -> tuple[set[Tile], Mapping[str, BlockRanges]]:
        """Return which tiles are this driver's own, and what of them is measured."""
        if not self._contact.away:
            try:
                mine = self._claim(wanted, patient=patient)
                return mine, self._measured(shares) if mine else {}
            except StoreUnavailableError as error:
                self._contact.lose(error)
        mine = set() if self._others else set(wanted)
        self._unleased |= mine
        return mine, {}

    def _claim(self, wanted: Sequence[Tile], *, patient: bool) -> set[Tile]:
        dead = _dead(self._store.neighbours(self._driver)) if patient else ()
        # While the database was away the others could not say that they live, so that they get the time to do it.
        in_touch = self._clock() - self._contact.since
        patient = patient and in_touch >= self._driver.lease_seconds
        return self._store.claim(self._driver, wanted, dead=dead, patient=patient)

    def _measured(self, shares: Sequence[Share]) -> Mapping[str, BlockRanges]:
        blocks: dict[str, BlockRanges] = {}
        for _, span in shares:
            for cell in span.cells:
                blocks[cell.key] = blocks.get(cell.key, BlockRanges()) | BlockRanges((span.blocks,))
        return self._store.measured_blocks(blocks, within=blocks)

    def _missing(self, span: Span, blocks: range, held: Mapping[str, BlockRanges], tile: Tile) -> list[Span]:
        """Return what is missing of a part of a span that is leased, and note it as begun."""
        whole = BlockRanges((blocks,))
        missing: dict[Cell, BlockRanges] = {}
        for cell in span.cells:
            self._groups[cell.key] = cell.attack_group
            measured = whole & held.get(cell.key, BlockRanges())
            if measured:
                self._elsewhere(cell.key, len(measured))
            if cell.key not in self._given_up:
                missing[cell] = whole - measured
        parts = list(spans_of(missing))
        self.vanished += len(blocks) - sum(len(part.blocks) for part in parts)
        begun = {(cell.key, block) for part in parts for cell in part.cells for block in part.blocks}
        if begun:
            self._open.setdefault(tile, set()).update(begun)
        return parts

    def _close(self, tile: Tile) -> None:
        del self._open[tile]
        self._pace.count()
        if tile in self._unleased:
            self._unleased.discard(tile)
        else:
            self._done.append(tile)

    def _beat(self) -> None:
        self._others = self._store.beat(self._driver)
        self._last_beat = self._clock()


class _Pace:
    """How many tiles are finished in a second, lately."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._moments: deque[float] = deque(maxlen=_MOST_TILES)

    def count(self) -> None:
        """Count a tile that is finished."""
        self._moments.append(self._clock())

    def tiles(self, seconds: float) -> int:
        """Return how many tiles are finished in ``seconds``: at least 1, since nothing is known at first."""
        if len(self._moments) < 2:
            return 1
        span = max(self._clock() - self._moments[0], 1e-3)
        return max(1, min(_MOST_TILES, int(len(self._moments) * seconds / span)))


def this_machine() -> str:
    """Return a name that two processes share if a process number means the same to both."""
    boot = _first_line(Path("/proc/sys/kernel/random/boot_id"))
    try:
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        namespace = ""
    return f"{socket.gethostname()} {boot} {namespace}"


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _dead(processes: Mapping[str, int]) -> list[str]:
    """Return the drivers whose process on this machine is gone."""
    return [driver for driver, pid in processes.items() if not _runs(pid)]


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _tiles(span: Span) -> Iterator[Tile]:
    group = span.cells[0].attack_group
    return (
        Tile(group, number)
        for number in range(span.blocks.start // TILE_BLOCKS, (span.blocks.stop - 1) // TILE_BLOCKS + 1)
    )


def _by_tile(span: Span) -> Iterator[tuple[range, Tile]]:
    """Cut a span at the edges of the tiles."""
    for tile in _tiles(span):
        start, stop = tile.number * TILE_BLOCKS, (tile.number + 1) * TILE_BLOCKS
        yield range(max(start, span.blocks.start), min(stop, span.blocks.stop)), tile


def _take_tiles(shares: deque[Share], count: int) -> list[Share]:
    """Take shares of ``count`` tiles out of the front of ``shares``; the last is cut where a tile ends."""
    taken: list[Share] = []
    while shares and count > 0:
        number, span = shares.popleft()
        cut = min(span.blocks.stop, (span.blocks.start // TILE_BLOCKS + count) * TILE_BLOCKS)
        taken.append((number, with_blocks(span, range(span.blocks.start, cut))))
        count -= sum(1 for _ in _tiles(taken[-1][1]))
        if cut < span.blocks.stop:
            shares.appendleft((number, with_blocks(span, range(cut, span.blocks.stop))))
    return taken


def _joined(shares: Sequence[Share]) -> list[Share]:
    """Join the parts of a span that lie side by side and miss the same cells."""
    joined: list[Share] = []
    for number, span in shares:
        last = joined[-1] if joined else None
        if last and last[0] == number and last[1].cells == span.cells and last[1].blocks.stop == span.blocks.start:
            joined[-1] = (number, with_blocks(span, range(last[1].blocks.start, span.blocks.stop)))
        else:
            joined.append((number, span))
    return joined
