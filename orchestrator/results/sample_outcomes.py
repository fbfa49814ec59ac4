"""The outcome of every sample, with the names of the sample and of the classes, so that it is read without the data."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from orchestrator.results.grouping import ATTACK_SCHEMA, CLASSIFIER_SCHEMA, Schema, columns_of
from orchestrator.store import ResultStore, StoredCell

_CELL_KEYS: Schema = {**CLASSIFIER_SCHEMA, **ATTACK_SCHEMA, "defense": pl.String(), "seed": pl.Int64()}

SAMPLE_SCHEMA: Schema = {
    **_CELL_KEYS,
    "position": pl.Int64(),
    "sample": pl.Int64(),
    "name": pl.String(),
    "label": pl.Int32(),
    "class_name": pl.String(),
    "prediction": pl.Int32(),
    "predicted_name": pl.String(),
    "correct": pl.Boolean(),
    "margin": pl.Float32(),
    "confidence": pl.Float32(),
}


def sample_outcomes(store: ResultStore, cells: Sequence[StoredCell]) -> pl.DataFrame:
    """Return one row per cell and measured sample, in the order of the cells, then of the position.

    ``name`` is what the data calls the sample, ``class_name`` and ``predicted_name`` what prompts call its class and
    the prediction. Where an earlier version wrote the database and no names are stored, they are the numbers. The
    columns are those of :data:`SAMPLE_SCHEMA`.
    """
    classes = store.class_names(cells)
    samples: dict[tuple[str, str, str], pl.DataFrame] = {}
    frames = [pl.DataFrame(schema=SAMPLE_SCHEMA)]
    for cell in cells:
        if cell.samples:
            dataset = cell.specification["dataset"]
            identity = (cell.dataset, str(dataset["version"]), dataset["split"])
            if identity not in samples:
                samples[identity] = store.sample_names(cell)
            outcomes = store.outcomes([cell.key]).join(
                samples[identity], on="sample_id", how="left", maintain_order="left"
            )
            frames.append(_of_cell(cell, outcomes, classes[cell.key]))
    return pl.concat(frames)


def _of_cell(cell: StoredCell, outcomes: pl.DataFrame, class_names: Sequence[str]) -> pl.DataFrame:
    if cell.limit is not None:
        outcomes = outcomes.filter(pl.col("position") < cell.limit)
    called = pl.Series(class_names, dtype=pl.String())
    return outcomes.with_columns(
        *(pl.lit(value, SAMPLE_SCHEMA[name]).alias(name) for name, value in columns_of(cell, _CELL_KEYS).items()),
        sample="sample_id",
        name=pl.col("name").fill_null(pl.col("sample_id").cast(pl.String())),
        class_name=called.gather(outcomes["label"]),
        predicted_name=called.gather(outcomes["prediction"]),
    ).select(*SAMPLE_SCHEMA)
