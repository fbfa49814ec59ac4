"""Statements for both databases, of a size that both accept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from orchestrator.grid.cell import Cell
from orchestrator.store.encoding.rows import Environments, cell_facts, environment_row
from orchestrator.store.schema.tables import Base, CellRow, EnvironmentRow

T = TypeVar("T")

CHUNK = 500
"""Number of values in one IN list: old builds of SQLite accept at most 999."""


def insert_new(connection: Connection, model: type[Base], rows: list[dict[str, Any]], *unique: str) -> int:
    """Insert the rows whose values in the ``unique`` columns are not stored yet; return their number."""
    if not rows:
        return 0
    table = model.__table__
    assert isinstance(table, Table)
    if connection.dialect.name == "postgresql":
        statement: Any = postgresql.insert(table).on_conflict_do_nothing(index_elements=unique)
    else:
        statement = sqlite.insert(table).on_conflict_do_nothing(index_elements=unique)
    return connection.execute(statement, rows, execution_options={"preserve_rowcount": True}).rowcount


def update_facts(connection: Connection, cells: Iterable[Cell]) -> None:
    """Store what is known today of cells that are there already; what is not known stays as it is."""
    alike: dict[tuple[tuple[str, Any], ...], list[str]] = {}
    for cell in cells:
        known = tuple((name, value) for name, value in cell_facts(cell).items() if value is not None)
        alike.setdefault(known, []).append(cell.key)
    alike.pop((), None)
    for facts, keys in alike.items():
        differs = or_(*(getattr(CellRow, name).is_distinct_from(value) for name, value in facts))
        for chunk in chunks(keys):
            connection.execute(update(CellRow).where(CellRow.key.in_(chunk), differs).values(dict(facts)))


def cell_ids(connection: Connection, keys: Iterable[str]) -> dict[str, int]:
    """Return the ids of cells by their keys.

    Raises:
        ValueError: a key is not in the database.
    """
    wanted = list(keys)
    ids: dict[str, int] = {}
    for chunk in chunks(wanted):
        rows = connection.execute(select(CellRow.key, CellRow.id).where(CellRow.key.in_(chunk)))
        ids.update({row.key: row.id for row in rows})
    unknown = [key for key in wanted if key not in ids]
    if unknown:
        raise ValueError(f"{len(unknown)} cells are not in the database, the first is {unknown[0]!r}")
    return ids


def environment_ids(connection: Connection, digests: Iterable[str], given: Environments) -> dict[str, int]:
    """Return the ids of environments by their digests; those that are ``given`` and not stored yet are stored.

    Raises:
        ValueError: an environment is neither given nor stored.
    """
    # In one order, so that two writers of the same environments never wait for one another.
    wanted = sorted(digests)
    now = datetime.now(UTC)
    rows = [environment_row(digest, given[digest], now) for digest in wanted if digest in given]
    insert_new(connection, EnvironmentRow, rows, "digest")
    query = select(EnvironmentRow.digest, EnvironmentRow.id)
    ids: dict[str, int] = {}
    for chunk in chunks(wanted):
        ids.update({row.digest: row.id for row in connection.execute(query.where(EnvironmentRow.digest.in_(chunk)))})
    unknown = [digest for digest in wanted if digest not in ids]
    if unknown:
        raise ValueError(f"{len(unknown)} environments are not in the database, the first is {unknown[0]!r}")
    return ids


def chunks(values: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """Yield ``values`` in lists of at most ``size``."""
    iterator = iter(values)
    while chunk := list(islice(iterator, size)):
        yield chunk
