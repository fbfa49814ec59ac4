"""Results over several cells, computed from per-sample outcomes: minimum over attacks, draws, paired comparisons.

``transfer`` and ``adaptive`` never share a row. Only samples that every cell of a group has measured count. One group
of cells is in memory at a time, with two bytes per sample and cell.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from orchestrator.grid.cell import NO_DEFENSE, TRANSFER, canonical_json
from orchestrator.results.grouping import (
    ACCURACY_SCHEMA,
    ATTACK_SCHEMA,
    CLASSIFIER_SCHEMA,
    RADIUS_SCHEMA,
    Row,
    Schema,
    accuracy_columns,
    columns_of,
    grouped,
    hits_of,
    table,
)
from orchestrator.store import Hits, ResultStore, StoredCell, on_common_samples
from scc_core.evaluation.metrics import Bools, holm, mcnemar, wilson_interval

BEST_CONTROL = "best control"

_MIN_KEYS: Schema = {
    **CLASSIFIER_SCHEMA,
    **RADIUS_SCHEMA,
    "threat_model": pl.String(),
    "defense": pl.String(),
    "seed": pl.Int64(),
}

MIN_OVER_ATTACKS_SCHEMA: Schema = {**_MIN_KEYS, "attacks": pl.Int64(), "attack_names": pl.String(), **ACCURACY_SCHEMA}

_DRAW_KEYS: Schema = {**CLASSIFIER_SCHEMA, **ATTACK_SCHEMA, "defense": pl.String()}

DRAWS_SCHEMA: Schema = {
    **_DRAW_KEYS,
    "randomised": pl.Boolean(),
    "draws": pl.Int64(),
    "samples": pl.Int64(),
    "mean_accuracy": pl.Float64(),
    "deviation": pl.Float64(),
    "worst_accuracy": pl.Float64(),
    "worst_low": pl.Float64(),
    "worst_high": pl.Float64(),
}

_PAIR_KEYS: Schema = {**_DRAW_KEYS, "seed": pl.Int64()}

FAMILY_MEANING = (
    "p_holm is p_value after Holm's correction over a family of as many tests: all defenses that are compared with the "
    "same, on one model, dataset, attack, epsilon, threat model and seed"
)
"""What a reader of the paired tests must know."""

PAIRED_SCHEMA: Schema = {
    **_PAIR_KEYS,
    "compared_with": pl.String(),
    "reference": pl.String(),
    "samples": pl.Int64(),
    "accuracy": pl.Float64(),
    "reference_accuracy": pl.Float64(),
    "difference": pl.Float64(),
    "only_defense": pl.Int64(),
    "only_reference": pl.Int64(),
    "p_value": pl.Float64(),
    "p_holm": pl.Float64(),
    "family": pl.Int64(),
}


def min_over_attacks(store: ResultStore, cells: Sequence[StoredCell]) -> pl.DataFrame:
    """Return, per defense, radius with its norm, threat model and seed, the accuracy under each sample's worst attack.

    A sample counts only if it is right under every attack. The columns are those of :data:`MIN_OVER_ATTACKS_SCHEMA`.
    """

    def key(cell: StoredCell) -> object:
        radius = (cell.norm, cell.epsilon_255)
        return (cell.classifier, radius, cell.threat_model, canonical_json(cell.defense_component), cell.seed)

    rows: list[Row] = []
    for group in grouped((cell for cell in cells if cell.epsilon_255 > 0), key):
        survives = _every(on_common_samples(hits_of(store, group)))
        row = {
            **columns_of(group[0], _MIN_KEYS),
            "attacks": len(group),
            "attack_names": ", ".join(sorted(cell.attack for cell in group)),
            **accuracy_columns(int(survives.sum()), len(survives)),
        }
        rows.append(row)
    return table(rows, MIN_OVER_ATTACKS_SCHEMA)


def draws(store: ResultStore, cells: Sequence[StoredCell]) -> pl.DataFrame:
    """Return mean and deviation of the accuracy over the seeds, and the accuracy of the worst of them per sample.

    Every seed is a fresh draw of the defense's randomness, and of the attack's. For the worst of k a sample counts only
    if it is right under every draw. The deviation is that of a sample (k - 1 in the denominator), null for one draw;
    ``randomised`` is null where it is not known of the defense. The columns are those of :data:`DRAWS_SCHEMA`.
    """
    rows: list[Row] = []
    for group in grouped(cells, lambda cell: cell.without_seed):
        correct = on_common_samples(hits_of(store, group))
        row = {
            **columns_of(group[0], _DRAW_KEYS),
            "randomised": group[0].randomised,
            "draws": len(group),
            "samples": len(correct[0]),
        }
        if len(correct[0]):
            accuracies, every = np.mean(correct, axis=1), _every(correct)
            worst = wilson_interval(int(every.sum()), len(every))
            row |= {
                "mean_accuracy": float(accuracies.mean()),
                "deviation": float(accuracies.std(ddof=1)) if len(group) > 1 else None,
                "worst_accuracy": float(every.mean()),
                "worst_low": worst.low,
                "worst_high": worst.high,
            }
        rows.append(row)
    return table(rows, DRAWS_SCHEMA)


def paired(store: ResultStore, cells: Sequence[StoredCell]) -> pl.DataFrame:
    """Return exact McNemar tests of every defense against ``none`` and against the best control, on the same samples.

    The best control is the one with the highest accuracy on the samples of the test. This choice favours the control
    over the defense. A control is compared with the best of the other controls. Under an adaptive attack, ``none`` is
    the undefended model under the same attack.

    ``p_holm`` is the p-value after Holm's correction over the family of the test, and ``family`` the number of tests in
    it: all defenses that are compared with the same, ``none`` or the best control, on the same samples and model with
    the same attack, epsilon, threat model and seed. It does not account for the choice of the best control. The columns
    are those of :data:`PAIRED_SCHEMA`.
    """

    def key(cell: StoredCell) -> object:
        return (cell.classifier, canonical_json(cell.attack_component), cell.epsilon_255, cell.seed)

    rows: list[Row] = []
    for group in grouped(cells, key):
        hits = dict(zip((cell.key for cell in group), hits_of(store, group), strict=True))
        undefended = [cell for cell in group if cell.undefended]
        controls = [cell for cell in group if cell.control and not cell.undefended]
        own: list[Row] = []
        for cell in group:
            if cell.undefended:
                continue
            own += [_pair(cell, reference, NO_DEFENSE, hits) for reference in undefended]
            # The label of an adaptive attack says how it was made; a transfer attack is the same for the whole group.
            rivals = [
                control
                for control in controls
                if control is not cell
                and control.threat_model == cell.threat_model
                and (cell.threat_model == TRANSFER or control.attack == cell.attack)
            ]
            if rivals:
                best = max(rivals, key=lambda rival: _accuracies(hits[rival.key], hits[cell.key])[0])
                own.append(_pair(cell, best, BEST_CONTROL, hits))
        for family in _families(own):
            adjusted = holm(np.array([row["p_value"] for row in family], np.float64))
            rows += [
                {**row, "p_holm": float(p_value), "family": len(family)}
                for row, p_value in zip(family, adjusted, strict=True)
            ]
    return table(rows, PAIRED_SCHEMA)


def _families(rows: Sequence[Row]) -> list[list[Row]]:
    """Return the tests of one model, dataset, attack, epsilon and seed in families."""
    families: dict[tuple[object, object], list[Row]] = {}
    for row in rows:
        families.setdefault((row["threat_model"], row["compared_with"]), []).append(row)
    return list(families.values())


def _pair(cell: StoredCell, reference: StoredCell, compared_with: str, hits: dict[str, Hits]) -> Row:
    first, second = on_common_samples([hits[cell.key], hits[reference.key]])
    test = mcnemar(first, second)
    accuracy, reference_accuracy = _accuracies(hits[cell.key], hits[reference.key])
    return {
        **columns_of(cell, _PAIR_KEYS),
        "compared_with": compared_with,
        "reference": reference.defense,
        "samples": len(first),
        "accuracy": accuracy,
        "reference_accuracy": reference_accuracy,
        "difference": accuracy - reference_accuracy,
        "only_defense": test.first_only,
        "only_reference": test.second_only,
        "p_value": test.p_value,
    }


def _every(correct: Sequence[Bools]) -> Bools:
    """Return whether a sample is right in every cell."""
    return np.asarray(np.logical_and.reduce(correct))


def _accuracies(first: Hits, second: Hits) -> tuple[float, float]:
    """Return both accuracies on the common samples; NaN where there are none."""
    one, other = on_common_samples([first, second])
    return (float(one.mean()), float(other.mean())) if len(one) else (float("nan"), float("nan"))
