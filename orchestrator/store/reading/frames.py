"""Polars frames, whose columns and types are fixed, also when they are empty."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from orchestrator.store.encoding.packing import unpack
from orchestrator.store.schema.columns import BOOLEAN, DOUBLE, INTEGER, TEXT, TIMESTAMP, VIEWS, View
from scc_core.blocks import sample_positions
from scc_core.outcomes import Outcomes

DTYPES: dict[str, pl.DataType] = {
    TEXT: pl.String(),
    INTEGER: pl.Int64(),
    DOUBLE: pl.Float64(),
    BOOLEAN: pl.Boolean(),
    TIMESTAMP: pl.Datetime("us", "UTC"),
}

SORT_ORDER = ("model", "dataset", "attack", "epsilon", "threat_model", "defense", "seed", "cell")

OUTCOME_SCHEMA: dict[str, pl.DataType] = {
    "cell": pl.String(),
    "position": pl.Int64(),
    "sample_id": pl.Int64(),
    "label": pl.Int32(),
    "prediction": pl.Int32(),
    "margin": pl.Float32(),
    "confidence": pl.Float32(),
    "correct": pl.Boolean(),
}

SCORES = "scores"

OUTCOME_ATTRIBUTES = {
    "sample_id": "sample_ids",
    "label": "labels",
    "prediction": "predictions",
    "margin": "margins",
    "confidence": "confidences",
    "correct": "correct",
}


class PackedBlock(NamedTuple):
    """The packed outcomes of one block of a cell."""

    cell: str
    number: int
    packed: bytes


def view_frame(view: View, rows: Sequence[Sequence[object]]) -> pl.DataFrame:
    """Return the rows of ``view`` with its documented column types, in the same order for every database."""
    columns = [
        pl.Series(column.name, [_value(row[index], column.type) for row in rows], DTYPES[column.type])
        for index, column in enumerate(view.columns)
    ]
    return pl.DataFrame(columns).sort(SORT_ORDER)


def outcomes_frame(blocks: Sequence[PackedBlock], *, scores: bool = False) -> pl.DataFrame:
    """Return one row per sample of ``blocks``, in their order; ``scores`` adds a column of class probabilities."""
    schema = {**OUTCOME_SCHEMA, **({SCORES: pl.List(pl.Float32())} if scores else {})}
    if not blocks:
        return pl.DataFrame(schema=schema)
    unpacked = [unpack(block.packed) for block in blocks]
    lengths = np.array([len(outcomes) for outcomes in unpacked])
    columns: dict[str, Any] = {
        "cell": pl.Series([block.cell for block in blocks]).gather(np.repeat(np.arange(len(blocks)), lengths)),
        "position": sample_positions([block.number for block in blocks], lengths),
    }
    for column, attribute in OUTCOME_ATTRIBUTES.items():
        columns[column] = np.concatenate([getattr(outcomes, attribute) for outcomes in unpacked])
    if scores:
        columns[SCORES] = pl.concat([_score_lists(outcomes) for outcomes in unpacked])
    return pl.DataFrame(columns, schema=schema)


def _score_lists(outcomes: Outcomes) -> pl.Series:
    """Return one list of class probabilities per sample; nulls where none are stored."""
    if outcomes.scores is None:
        return pl.Series(SCORES, [None] * len(outcomes), pl.List(pl.Float32()))
    fixed = pl.Series(SCORES, outcomes.scores.astype(np.float32))
    return fixed.cast(pl.List(pl.Float32()))


def list_views() -> pl.DataFrame:
    """Return the documentation of the public views: ``view``, ``column``, ``type``, ``meaning`` of each column."""
    rows = [(view.name, *column) for view in VIEWS for column in view.columns]
    return pl.DataFrame(rows, schema=["view", "column", "type", "meaning"], orient="row")


def _value(value: object, kind: str) -> object:
    """Convert a value to its Python type: SQLite returns booleans as numbers and times as texts."""
    if value is None:
        return None
    if kind == BOOLEAN:
        return bool(value)
    if kind == TIMESTAMP:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        assert isinstance(moment, datetime)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return value
