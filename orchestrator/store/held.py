"""Which blocks of a cell are stored: read as ranges, so that a million blocks in a row are one row of the answer."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, func, select

from orchestrator.intervals import Intervals
from orchestrator.store.schema import Block, CellRow
from orchestrator.store.statements import chunks


def held_blocks(connection: Connection, keys: Iterable[str]) -> dict[str, Intervals]:
    """Return the numbers of the stored blocks for each of the cells ``keys``; an empty set where there is none."""
    ranges: dict[str, list[range]] = {key: [] for key in keys}
    # Numbers in a row rise as fast as their rank does, so that their difference names the island that they form.
    rank = func.row_number().over(partition_by=Block.cell_id, order_by=Block.number)
    numbered = select(CellRow.key, Block.number, (Block.number - rank).label("island"))
    numbered = numbered.join(CellRow, CellRow.id == Block.cell_id)
    for chunk in chunks(ranges):
        islands = numbered.where(CellRow.key.in_(chunk)).subquery()
        first, last = func.min(islands.c.number), func.max(islands.c.number)
        for key, start, end in connection.execute(select(islands.c.key, first, last).group_by("key", "island")):
            ranges[key].append(range(start, end + 1))
    return {key: Intervals.of(*found) for key, found in ranges.items()}
