"""Groups of stored cells, and the columns that tables of cells and groups share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import polars as pl

from orchestrator.store import Hits, ResultStore, StoredCell
from scc_core.evaluation.metrics import wilson_interval

Schema = dict[str, pl.DataType]
Row = dict[str, object]

CLASSIFIER_SCHEMA: Schema = {
    "model": pl.String(),
    "dataset": pl.String(),
    "preprocessing": pl.String(),
    "precision": pl.String(),
}

RADIUS_SCHEMA: Schema = {
    "norm": pl.String(),
    "epsilon": pl.Float64(),
    "epsilon_255": pl.Float64(),
}
"""A radius in [0, 1] pixel units in its norm, and in 1/255; the latter is null under L2, as in the views."""

ATTACK_SCHEMA: Schema = {
    "attack": pl.String(),
    **RADIUS_SCHEMA,
    "threat_model": pl.String(),
}

ACCURACY_SCHEMA: Schema = {
    "samples": pl.Int64(),
    "correct": pl.Int64(),
    "accuracy": pl.Float64(),
    "accuracy_low": pl.Float64(),
    "accuracy_high": pl.Float64(),
}


def grouped(cells: Iterable[StoredCell], key: Callable[[StoredCell], object]) -> list[list[StoredCell]]:
    """Return the cells with samples in groups of equal keys."""
    groups: dict[object, list[StoredCell]] = {}
    for cell in cells:
        if cell.samples:
            groups.setdefault(key(cell), []).append(cell)
    return list(groups.values())


def hits_of(store: ResultStore, cells: Iterable[StoredCell]) -> list[Hits]:
    """Return which samples of each cell are right, of those that the run asks for."""
    return [store.hits(cell.key, cell.limit) for cell in cells]


def columns_of(cell: StoredCell, schema: Schema) -> Row:
    """Return a cell's own values for the columns of ``schema``."""
    hidden = {"epsilon_255"} if cell.norm == "l2" else set()
    return {name: None if name in hidden else getattr(cell, name) for name in schema}


def accuracy_columns(correct: int, samples: int) -> Row:
    """Return the columns of :data:`ACCURACY_SCHEMA`; null accuracies without samples."""
    interval = wilson_interval(correct, samples)
    return {
        "samples": samples,
        "correct": correct,
        "accuracy": correct / samples if samples else None,
        "accuracy_low": interval.low if samples else None,
        "accuracy_high": interval.high if samples else None,
    }


def table(rows: Sequence[Row], schema: Schema) -> pl.DataFrame:
    """Return the rows with the columns and types of ``schema``, NaN as null, sorted by the cells' names."""
    described = [name for name in schema if name not in ACCURACY_SCHEMA and not schema[name].is_float()]
    order = [name for name in (*CLASSIFIER_SCHEMA, "epsilon", *described) if name in schema]
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame.with_columns(pl.selectors.float().fill_nan(None)).sort(list(dict.fromkeys(order)))
