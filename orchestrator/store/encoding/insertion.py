"""How blocks get into their table: the one thing that is written by the million.

Measured beside SQLAlchemy's insert with a dictionary a row, in transactions of 512 blocks: SQLite takes a third less
processor time from a plain statement, PostgreSQL a tenth from a binary COPY, in a third of the wall time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from orchestrator.store.encoding.rows import BlockRow

_COLUMNS = ("cell_id", "run_id", *BlockRow._fields[1:])
_NAMES = ", ".join(_COLUMNS)
_INSERT = f"INSERT INTO block ({_NAMES}) VALUES ({', '.join('?' * len(_COLUMNS))}) ON CONFLICT DO NOTHING"

# Dropped with the transaction, so that a pooler between may give the connection to somebody else.
_INCOMING = "CREATE TEMPORARY TABLE incoming_block (LIKE block) ON COMMIT DROP"
_COPY = f"COPY incoming_block ({_NAMES}) FROM STDIN (FORMAT BINARY)"
# In one order, so that two writers of the same blocks never wait for one another.
_MOVE = (
    f"INSERT INTO block ({_NAMES}) SELECT {_NAMES} FROM incoming_block ORDER BY cell_id, number "
    "ON CONFLICT (cell_id, number) DO NOTHING"
)
_TYPES = {
    **dict.fromkeys(_COLUMNS, "int4"),
    **dict.fromkeys(("run_id", "hits", "device", "worker"), "text"),
    **dict.fromkeys(("sum_confidence", "sum_margin", "attack_seconds", "defense_seconds"), "float8"),
    **dict.fromkeys(("attack_peak_memory_mib", "defense_peak_memory_mib"), "float8"),
    **dict.fromkeys(("attack_forwards", "attack_backwards", "defense_forwards", "defense_backwards"), "int8"),
    "created_at": "timestamptz",
    "outcomes": "bytea",
}


def insert_blocks(connection: Connection, run_id: str, rows: Sequence[BlockRow], ids: Mapping[str, int]) -> int:
    """Insert the blocks that are not there yet; return how many those were.

    Args:
        connection: in a transaction.
        run_id: the run that measured them.
        rows: the blocks.
        ids: the ids of their cells by their keys.
    """
    values = ((ids[row.cell], run_id, *row[1:]) for row in rows)
    if connection.dialect.name == "postgresql":
        return _copy(connection, values)
    return connection.exec_driver_sql(_INSERT, list(_for_sqlite(values))).rowcount


def _for_sqlite(values: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Write the moment as the models do."""
    place = _COLUMNS.index("created_at")
    for row in values:
        moment: datetime = row[place]
        yield (*row[:place], f"{moment:%Y-%m-%d %H:%M:%S.%f}", *row[place + 1 :])


def _copy(connection: Connection, values: Iterable[tuple[Any, ...]]) -> int:
    import psycopg

    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    try:
        with driver.cursor() as cursor:
            cursor.execute(_INCOMING)
            with cursor.copy(_COPY) as copy:
                copy.set_types([_TYPES[name] for name in _COLUMNS])
                for row in values:
                    copy.write_row(row)
            return cursor.execute(_MOVE).rowcount
    except psycopg.Error as error:
        # As SQLAlchemy reports what it sends itself.
        raise DBAPIError.instance(_MOVE, None, error, psycopg.Error, hide_parameters=True) from error
