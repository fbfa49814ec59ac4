"""Names of classes and samples, written once for each version of a dataset, whichever of several drivers comes first.

A row per sample: a million paths of 58 characters took a driver 3.6 s of processor time and 84 MB in SQLite, 2.1 s and
132 MB in PostgreSQL; every later run 0.3 s to see that they are there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Table, delete, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from orchestrator.grid.cell import Cell
from orchestrator.store.encoding.insertion import psycopg_cursor
from orchestrator.store.encoding.statements import chunks
from orchestrator.store.schema.tables import ClassName, DatasetVersion, SampleName
from scc_core.identity import DatasetSpec

if TYPE_CHECKING:
    from scc_core.datasets import DatasetNames

SampleRow = tuple[int, int, int, int, str]

_NAMES = "dataset_version_id, position, sample, label, name"
_INSERT = f"INSERT INTO sample_name ({_NAMES}) VALUES (?, ?, ?, ?, ?)"
_COPY = f"COPY sample_name ({_NAMES}) FROM STDIN (FORMAT BINARY)"
_TYPES = ("int4", "int4", "int4", "int4", "text")


def store_names(connection: Connection, cells: Iterable[Cell]) -> None:
    """Store the names of the cells' datasets; of a dataset whose names are stored already nothing is written.

    Names, labels and positions that differ from those stored take their place: a version tells images apart, and not
    what a user's code calls them.

    Args:
        connection: in a transaction.
        cells: those of datasets without names are passed over.
    """
    datasets = {(cell.dataset.name, str(cell.dataset.version), cell.dataset.prompts): cell.dataset for cell in cells}
    # In one order, so that two drivers never wait for one another.
    for _, dataset in sorted(datasets.items(), key=lambda entry: entry[0]):
        if dataset.names is not None:
            version = _store_samples(connection, dataset, dataset.names)
            _store_classes(connection, version, dataset.prompts, dataset.names)


def storable(name: str) -> str:
    """Return a name as both databases take it: bytes that are no UTF-8, and zeros, become escapes."""
    return name.encode(errors="backslashreplace").decode().replace("\0", "\\x00")


def _store_samples(connection: Connection, dataset: DatasetSpec, names: DatasetNames) -> int:
    """Store what is not stored of a version and its samples; return the version's id."""
    samples = [storable(name) for name in names.sample_names]
    row = {
        "dataset": dataset.name,
        "version": str(dataset.version),
        "split": dataset.split,
        "sample_order": dataset.order,
        "classes": dataset.classes,
        "samples": len(samples),
        "digest": _digest(dataset, names, samples),
    }
    is_new = _insert_or_update(connection, row)
    same = (DatasetVersion.dataset == row["dataset"], DatasetVersion.version == row["version"])
    version = connection.execute(select(DatasetVersion.id).where(*same)).scalar_one()
    if is_new:
        connection.execute(delete(SampleName).where(SampleName.dataset_version_id == version))
        labels = names.labels.tolist()
        order = enumerate(names.order().tolist())
        rows = ((version, position, index, labels[index], samples[index]) for position, index in order)
        _insert_samples(connection, rows)
    return int(version)


def _digest(dataset: DatasetSpec, names: DatasetNames, samples: Sequence[str]) -> str:
    digest = hashlib.sha256("\0".join([dataset.split, dataset.order, names.images_name, *samples]).encode())
    digest.update(names.labels.astype("<i8").tobytes())
    return digest.hexdigest()


def _insert_or_update(connection: Connection, row: Mapping[str, Any]) -> bool:
    """Store the row of a version; return False where it was stored as it is, by this driver or another.

    Until the end of the transaction other drivers wait with the same version.
    """
    table = DatasetVersion.__table__
    assert isinstance(table, Table)
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table)
    new = {name: statement.excluded[name] for name in row if name not in ("dataset", "version")}
    statement = statement.on_conflict_do_update(
        index_elements=["dataset", "version"], set_=new, where=table.c.digest != statement.excluded.digest
    )
    return connection.execute(statement, [row], execution_options={"preserve_rowcount": True}).rowcount > 0


def _insert_samples(connection: Connection, rows: Iterator[SampleRow]) -> None:
    if connection.dialect.name == "postgresql":
        with psycopg_cursor(connection) as cursor, cursor.copy(_COPY) as copy:
            copy.set_types(_TYPES)
            for row in rows:
                copy.write_row(row)
        return
    for chunk in chunks(rows):
        connection.exec_driver_sql(_INSERT, chunk)


def _store_classes(connection: Connection, version: int, prompts: str, names: DatasetNames) -> None:
    pairs = enumerate(zip(map(storable, names.class_keys), map(storable, names.class_names), strict=True))
    wanted = [(label, key, name) for label, (key, name) in pairs]
    own = (ClassName.dataset_version_id == version, ClassName.prompts == prompts)
    stored = select(ClassName.label, ClassName.key, ClassName.name).where(*own).order_by(ClassName.label)
    if [tuple(row) for row in connection.execute(stored)] != wanted:
        connection.execute(delete(ClassName).where(*own))
        columns = {"dataset_version_id": version, "prompts": prompts}
        rows = [{**columns, "label": label, "key": key, "name": name} for label, key, name in wanted]
        connection.execute(insert(ClassName), rows)
