"""Which blocks of a cell are stored: read as ranges, so that a million consecutive blocks are one row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, func, or_, select

from orchestrator.store.encoding.statements import chunks
from orchestrator.store.schema.tables import Block, CellRow
from scc_core.blocks import BlockRanges


def held_blocks(connection: Connection, keys: Iterable[str]) -> dict[str, BlockRanges]:
    """Return the numbers of the stored blocks for each of the cells ``keys``; an empty set where there is none."""
    ranges: dict[str, list[range]] = {key: [] for key in keys}
    # Consecutive numbers rise as fast as their rank, so the difference is the same within a range.
    rank = func.row_number().over(partition_by=Block.cell_id, order_by=Block.number)
    numbered = select(CellRow.key, Block.number, (Block.number - rank).label("island"))
    numbered = numbered.join(CellRow, CellRow.id == Block.cell_id)
    for chunk in chunks(ranges):
        islands = numbered.where(CellRow.key.in_(chunk)).subquery()
        first, last = func.min(islands.c.number), func.max(islands.c.number)
        for key, start, end in connection.execute(select(islands.c.key, first, last).group_by("key", "island")):
            ranges[key].append(range(start, end + 1))
    return {key: BlockRanges.of(*found) for key, found in ranges.items()}


def held_within(connection: Connection, within: Mapping[str, BlockRanges]) -> dict[str, BlockRanges]:
    """Return which of the blocks ``within`` are stored, by the key of the cell; meant for few blocks of few cells."""
    numbers: dict[str, list[int]] = {key: [] for key in within}
    spans: dict[BlockRanges, list[str]] = {}
    for key, blocks in within.items():
        spans.setdefault(blocks, []).append(key)
    query = select(CellRow.key, Block.number).join(CellRow, CellRow.id == Block.cell_id)
    for blocks, keys in spans.items():
        inside = or_(*(Block.number.between(part.start, part.stop - 1) for part in blocks.ranges))
        for chunk in chunks(keys):
            for key, number in connection.execute(query.where(CellRow.key.in_(chunk), inside)):
                numbers[key].append(number)
    return {key: BlockRanges.of_numbers(found) for key, found in numbers.items()}
