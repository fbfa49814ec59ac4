"""How blocks get into their table: the one thing that is written by the million."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from orchestrator.store.rows import BlockRow
from orchestrator.store.schema import Block
from orchestrator.store.statements import insert_new


def insert_blocks(connection: Connection, run_id: str, rows: Sequence[BlockRow], ids: Mapping[str, int]) -> int:
    """Insert the blocks that are not there yet; return how many those were.

    Args:
        connection: in a transaction.
        run_id: the run that measured them.
        rows: the blocks.
        ids: the ids of their cells by their keys.
    """
    values = [{**row._asdict(), "cell_id": ids[row.cell], "run_id": run_id} for row in rows]
    for value in values:
        del value["cell"]
    return insert_new(connection, Block, values, "cell_id", "number")
