"""Metrics beside accuracy, computed from per-sample outcomes, with one cell in memory at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from orchestrator.results.grouping import (
    ACCURACY_SCHEMA,
    ATTACK_SCHEMA,
    CLASSIFIER_SCHEMA,
    Row,
    Schema,
    accuracy_columns,
    columns_of,
    table,
)
from orchestrator.store import ResultStore, StoredCell, on_common_samples
from scc_core.evaluation import metrics
from scc_core.outcomes import MAX_SCORED_CLASSES

_CELL_KEYS: Schema = {**CLASSIFIER_SCHEMA, **ATTACK_SCHEMA, "defense": pl.String(), "seed": pl.Int64()}

CELL_METRICS_SCHEMA: Schema = {
    **_CELL_KEYS,
    **ACCURACY_SCHEMA,
    "attack_success": pl.Float64(),
    "mean_confidence": pl.Float64(),
    "mean_margin": pl.Float64(),
    "calibration_error": pl.Float64(),
    "balanced_accuracy": pl.Float64(),
    "auc": pl.Float64(),
    "badges": pl.String(),
}

CLASS_METRICS_SCHEMA: Schema = {
    **_CELL_KEYS,
    "class": pl.Int64(),
    "class_name": pl.String(),
    "support": pl.Int64(),
    "sensitivity": pl.Float64(),
    "specificity": pl.Float64(),
    "auc": pl.Float64(),
}


class _Samples(NamedTuple):
    label: npt.NDArray[np.int32]
    prediction: npt.NDArray[np.int32]
    margin: npt.NDArray[np.float32]
    confidence: npt.NDArray[np.float32]
    correct: npt.NDArray[np.bool_]
    scores: npt.NDArray[np.float32] | None


def cell_metrics(store: ResultStore, cells: Sequence[StoredCell]) -> pl.DataFrame:
    """Return one row per cell with samples.

    ``attack_success`` looks at the samples that the undefended model classifies correctly when clean: it is the share
    of them that are wrong in this cell. It is null for clean images, or where the undefended clean cell is not among
    ``cells``. ``auc`` is the macro one-vs-rest area, null above 20 classes. The columns are those of
    :data:`CELL_METRICS_SCHEMA`.
    """
    measured = [cell for cell in cells if cell.samples]
    clean: dict[str, list[StoredCell]] = {}
    for cell in measured:
        if cell.epsilon_255 == 0 and cell.undefended:
            clean.setdefault(cell.classifier, []).append(cell)
    rows: list[Row] = []
    for cell in measured:
        samples = _samples(store, cell)
        row = {
            **columns_of(cell, _CELL_KEYS),
            **accuracy_columns(int(samples.correct.sum()), len(samples.correct)),
            "attack_success": _attack_success(store, cell, clean.get(cell.classifier, ())),
            "mean_confidence": _mean(samples.confidence),
            "mean_margin": _mean(samples.margin),
            "calibration_error": metrics.calibration_error(samples.confidence, samples.correct),
            "balanced_accuracy": metrics.balanced_accuracy(samples.label, samples.prediction, cell.classes),
            "auc": None if samples.scores is None else metrics.macro_auc(samples.label, samples.scores),
            "badges": cell.badges,
        }
        rows.append(row)
    return table(rows, CELL_METRICS_SCHEMA)


def class_metrics(store: ResultStore, cells: Sequence[StoredCell]) -> pl.DataFrame:
    """Return one row per cell and class, for datasets of at most 20 classes; ``class`` is the label.

    ``class_name`` is what prompts call the class; the label as text, where an earlier version wrote the database and no
    names are stored. The columns are those of :data:`CLASS_METRICS_SCHEMA`.
    """
    rows: list[Row] = []
    names = store.class_names(cells)
    for cell in cells:
        if not cell.samples or cell.classes > MAX_SCORED_CLASSES:
            continue
        samples = _samples(store, cell)
        found = metrics.confusion(samples.label, samples.prediction, cell.classes)
        aucs = None if samples.scores is None else metrics.class_aucs(samples.label, samples.scores)
        for index in range(cell.classes):
            row = {
                **columns_of(cell, _CELL_KEYS),
                "class": index,
                "class_name": names[cell.key][index],
                "support": int(found.support[index]),
                "sensitivity": float(found.sensitivity[index]),
                "specificity": float(found.specificity[index]),
                "auc": None if aucs is None else float(aucs[index]),
            }
            rows.append(row)
    return table(rows, CLASS_METRICS_SCHEMA)


def _attack_success(store: ResultStore, cell: StoredCell, undefended: Sequence[StoredCell]) -> float | None:
    if cell.epsilon_255 == 0 or not undefended:
        return None
    # Without attack and defense nothing is random, so another seed gives the same where the cell's own is missing.
    reference = next((clean for clean in undefended if clean.seed == cell.seed), undefended[0])
    both = [store.hits(one.key, cell.limit) for one in (reference, cell)]
    return metrics.attack_success(*on_common_samples(both))


def _samples(store: ResultStore, cell: StoredCell) -> _Samples:
    frame = store.outcomes([cell.key], scores=True)
    if cell.limit is not None:
        frame = frame.filter(pl.col("position") < cell.limit)
    scored = frame.height > 0 and frame["scores"].null_count() == 0
    scores = frame["scores"].list.to_array(cell.classes).to_numpy() if scored else None
    columns = {name: frame[name].to_numpy() for name in ("label", "prediction", "margin", "confidence", "correct")}
    return _Samples(**columns, scores=scores)


def _mean(values: npt.NDArray[np.float32]) -> float:
    return float(values.mean(dtype=np.float64)) if len(values) else float("nan")
