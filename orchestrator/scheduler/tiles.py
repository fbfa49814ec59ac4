"""Tiles are fixed ranges of blocks, which are leased as a whole: the tiles of a span, and spans cut where tiles end."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from orchestrator.plan.plan import Span, with_blocks
from orchestrator.scheduler.lease_manager import PlannedSpan
from orchestrator.store import TILE_BLOCKS, Tile


def tiles_of(span: Span) -> list[Tile]:
    """Return the tiles that hold the blocks of a span."""
    first, last = span.blocks.start // TILE_BLOCKS, (span.blocks.stop - 1) // TILE_BLOCKS
    return [Tile(span.cells[0].attack_group, number) for number in range(first, last + 1)]


def split_by_tile(span: Span) -> Iterator[tuple[range, Tile]]:
    """Yield each tile of a span with the blocks of the span that lie in it."""
    for tile in tiles_of(span):
        start, stop = tile.number * TILE_BLOCKS, (tile.number + 1) * TILE_BLOCKS
        yield range(max(start, span.blocks.start), min(stop, span.blocks.stop)), tile


def take_tiles(queued: deque[PlannedSpan], count: int) -> list[PlannedSpan]:
    """Take spans of ``count`` tiles out of the front of ``queued``; the last span is cut where a tile ends."""
    taken: list[PlannedSpan] = []
    while queued and count > 0:
        number, span = queued.popleft()
        cut = min(span.blocks.stop, (span.blocks.start // TILE_BLOCKS + count) * TILE_BLOCKS)
        taken.append(PlannedSpan(number, with_blocks(span, range(span.blocks.start, cut))))
        count -= len(tiles_of(taken[-1].span))
        if cut < span.blocks.stop:
            queued.appendleft(PlannedSpan(number, with_blocks(span, range(cut, span.blocks.stop))))
    return taken


def join_spans(spans: Sequence[PlannedSpan]) -> list[PlannedSpan]:
    """Join neighbouring parts of a span in which the same cells are missing."""
    joined: list[PlannedSpan] = []
    for number, span in spans:
        last_number, last = joined[-1] if joined else (None, None)
        if last and last_number == number and last.cells == span.cells and last.blocks.stop == span.blocks.start:
            joined[-1] = PlannedSpan(number, with_blocks(span, range(last.blocks.start, span.blocks.stop)))
        else:
            joined.append(PlannedSpan(number, span))
    return joined
