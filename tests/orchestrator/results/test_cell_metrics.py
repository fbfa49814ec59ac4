"""What is measured beside accuracy, against scikit-learn on the outcomes of a real evaluation."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn import metrics as sklearn_metrics

from orchestrator.results.badges import update_badges
from orchestrator.results.cell_metrics import CELL_METRICS_SCHEMA, CLASS_METRICS_SCHEMA, cell_metrics, class_metrics
from orchestrator.store import ResultStore
from tests.orchestrator.measuring import clean, defense, evaluate_grid, fill, first_right
from tests.orchestrator.store.builders import make_cell, make_record

GRID = """
name: metrics
models: [tests.components:tiny]
datasets: [tests.components:noise_images]
attacks: [{pgd: {num_steps: 2}}]
epsilons: [0, 4/255]
defenses: [none, random-noise]
max_samples: 130
"""


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A store with a real run of four cells over 130 samples, of which 150 are measured."""
    with ResultStore.open(f"sqlite:///{tmp_path_factory.mktemp('metrics')}/results.db") as store:
        run = evaluate_grid(store, GRID)
        update_badges(store, run)
        yield store, run


def samples_of(store, row, frame) -> pl.DataFrame:
    """The outcomes behind a row of the metrics, found by its view."""
    same = [pl.col(name) == row[name] for name in ("attack", "epsilon_255", "defense")]
    return store.outcomes([frame.filter(*same)["cell"].item()], scores=True).head(130)


def test_every_metric_of_a_cell_is_that_of_its_samples(measured):
    store, run = measured
    frame = cell_metrics(store, store.cells(run))
    assert frame.schema == pl.Schema(CELL_METRICS_SCHEMA)
    assert frame.height == 4
    view = store.results(run)
    for row in frame.iter_rows(named=True):
        samples = samples_of(store, row, view)
        labels, scores = samples["label"].to_numpy(), np.array(samples["scores"].to_list())
        assert (row["samples"], row["correct"]) == (130, samples["correct"].sum())
        assert row["mean_confidence"] == pytest.approx(samples["confidence"].cast(pl.Float64).mean())
        assert row["mean_margin"] == pytest.approx(samples["margin"].cast(pl.Float64).mean())
        expected = sklearn_metrics.balanced_accuracy_score(labels, samples["prediction"])
        assert row["balanced_accuracy"] == pytest.approx(expected)
        areas = [sklearn_metrics.roc_auc_score(labels == index, scores[:, index]) for index in range(4)]
        assert row["auc"] == pytest.approx(np.mean(areas))
        assert 0 < row["calibration_error"] < 1
        assert row["badges"] == ("one draw" if row["defense"] == "random-noise" else "")


def test_scores_are_the_probabilities_that_the_confidence_is_the_largest_of(measured):
    store, run = measured
    samples = store.outcomes([cell.key for cell in store.cells(run)], scores=True)
    scores = np.array(samples["scores"].to_list())
    np.testing.assert_allclose(scores.sum(axis=1), 1.0, atol=2e-3)
    np.testing.assert_allclose(scores.max(axis=1), samples["confidence"], atol=1e-3)
    chosen = scores[np.arange(len(scores)), samples["prediction"]]
    np.testing.assert_array_equal(chosen, scores.max(axis=1))


def test_attack_success_is_over_what_the_undefended_model_gets_right_when_clean(measured):
    store, run = measured
    frame = cell_metrics(store, store.cells(run))
    hits = {(cell.defense, cell.epsilon_255): store.hits(cell.key, 130).measured for cell in store.cells(run)}
    before = hits["none", 0.0]
    for row in frame.iter_rows(named=True):
        if row["epsilon_255"] == 0:
            assert row["attack_success"] is None
        else:
            after = hits[row["defense"], row["epsilon_255"]]
            assert row["attack_success"] == pytest.approx((before & ~after).sum() / before.sum())
            assert row["attack_success"] > 0.1


def test_classes_have_the_recalls_of_scikit_learn_and_add_up_to_the_cell(measured):
    store, run = measured
    cells, classes = cell_metrics(store, store.cells(run)), class_metrics(store, store.cells(run))
    assert classes.schema == pl.Schema(CLASS_METRICS_SCHEMA)
    assert classes.height == 16
    view = store.results(run)
    for row in cells.iter_rows(named=True):
        own = classes.filter(pl.col("defense") == row["defense"], pl.col("epsilon_255") == row["epsilon_255"])
        samples = samples_of(store, row, view)
        for index, found in enumerate(own.sort("class").iter_rows(named=True)):
            positive, predicted = samples["label"].to_numpy() == index, samples["prediction"].to_numpy() == index
            assert found["support"] == positive.sum()
            assert found["sensitivity"] == pytest.approx(sklearn_metrics.recall_score(positive, predicted))
            assert found["specificity"] == pytest.approx(sklearn_metrics.recall_score(~positive, ~predicted))
        assert own["support"].sum() == 130
        assert own["sensitivity"].mean() == pytest.approx(row["balanced_accuracy"])
        assert own["auc"].mean() == pytest.approx(row["auc"])


def test_without_scores_or_a_clean_cell_the_metric_is_null(tmp_path):
    with ResultStore.open(f"sqlite:///{tmp_path}/results.db") as store:
        run = fill(store, {make_cell(defense=defense("none")): first_right(50)})
        row = cell_metrics(store, store.cells(run)).row(0, named=True)
        assert (row["auc"], row["attack_success"], row["accuracy"]) == (None, None, 0.25)


def test_a_clean_cell_of_another_seed_serves_but_not_that_of_another_model(tmp_path):
    with ResultStore.open(f"sqlite:///{tmp_path}/results.db") as store:
        cell = make_cell(defense=defense("none"))
        other_model = clean(defense=defense("none"), precision="float16")
        run = fill(store, {cell: first_right(50), other_model: first_right(200)})
        assert cell_metrics(store, store.cells(run))["attack_success"].to_list() == [None, None]
        again = fill(store, {clean(defense=defense("none"), seed=7): first_right(100), cell: first_right(50)})
        assert cell_metrics(store, store.cells(again))["attack_success"].drop_nulls().to_list() == [0.5]


def test_nothing_measured_gives_empty_tables_of_the_same_columns(tmp_path):
    with ResultStore.open(f"sqlite:///{tmp_path}/results.db") as store:
        cells = store.cells(store.start_run(make_record(), {make_cell(): 50}))
        assert cell_metrics(store, cells).schema == pl.Schema(CELL_METRICS_SCHEMA)
        assert class_metrics(store, cells).schema == pl.Schema(CLASS_METRICS_SCHEMA)
        assert cell_metrics(store, cells).is_empty()
        assert class_metrics(store, cells).is_empty()
