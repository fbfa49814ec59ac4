"""Names of classes and samples of stored cells, as far as they are stored."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl
from sqlalchemy import Connection, select

from orchestrator.store.reading.cells import StoredCell
from orchestrator.store.schema.tables import ClassName, DatasetVersion, SampleName

SAMPLE_NAMES_SCHEMA: dict[str, pl.DataType] = {"sample_id": pl.Int64(), "name": pl.String()}


def class_names(connection: Connection, cells: Iterable[StoredCell]) -> dict[str, tuple[str, ...]]:
    """Return what prompts call the classes, in label order, by the key of the cell; else the labels as text."""
    found: dict[str, tuple[str, ...]] = {}
    known: dict[tuple[str, ...], tuple[str, ...]] = {}
    query = select(ClassName.name).join(DatasetVersion, DatasetVersion.id == ClassName.dataset_version_id)
    for cell in cells:
        identity = (cell.dataset, *(str(cell.specification["dataset"][name]) for name in ("version", "prompts")))
        if identity not in known:
            dataset, version, prompts = identity
            own = (DatasetVersion.dataset == dataset, DatasetVersion.version == version, ClassName.prompts == prompts)
            names = tuple(connection.execute(query.where(*own).order_by(ClassName.label)).scalars())
            known[identity] = names or tuple(str(label) for label in range(cell.classes))
        found[cell.key] = known[identity]
    return found


def sample_names(connection: Connection, cell: StoredCell) -> pl.DataFrame:
    """Return the names of the samples of a cell's dataset by their ids; no row where they are not stored.

    The columns are those of :data:`SAMPLE_NAMES_SCHEMA`.
    """
    dataset = cell.specification["dataset"]
    query = select(SampleName.sample, SampleName.name).join(
        DatasetVersion, DatasetVersion.id == SampleName.dataset_version_id
    )
    own = (
        DatasetVersion.dataset == cell.dataset,
        DatasetVersion.version == str(dataset["version"]),
        DatasetVersion.split == dataset["split"],
    )
    rows = connection.execute(query.where(*own)).all()
    return pl.DataFrame(rows, schema=SAMPLE_NAMES_SCHEMA, orient="row")
