"""The numbers of the two views, against numpy and scipy."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from orchestrator.store import ResultStore, read_only_query
from orchestrator.store.schema.columns import RESULTS, RUN_RESULTS, View
from scc_core.blocks import BLOCK_SIZE
from scc_core.cost import Cost
from scc_core.evaluation.threat import Adaptive
from scc_core.identity import ModelSpec
from tests.orchestrator.store.builders import make_block, make_blocks, make_cell, make_record, row_of, start

SEEDS = count(1000)


@st.composite
def measurements(draw: st.DrawFn) -> tuple[list[bool], set[int], int]:
    """The hits of a whole dataset, the blocks of it that are measured, and a run's prefix."""
    hits = draw(st.lists(st.booleans(), min_size=1, max_size=3 * BLOCK_SIZE + 7))
    numbers = range(-(-len(hits) // BLOCK_SIZE))
    return hits, draw(st.sets(st.sampled_from(numbers))), draw(st.integers(1, len(hits)))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(measurements())
def test_counts_equal_those_of_numpy(store: ResultStore, measurement: tuple[list[bool], set[int], int]) -> None:
    hits, measured, prefix = measurement
    cell = make_cell(next(SEEDS))
    whole, part = start(store, cell, len(hits)), start(store, cell, prefix)
    store.write_blocks(whole, [block for block in make_blocks(cell, hits) if block.block in measured])
    known = np.isin(np.arange(len(hits)) // BLOCK_SIZE, list(measured))
    _check(row_of(store.results(), cell), np.array(hits)[known], len(hits))
    _check(row_of(store.results(part), cell), np.array(hits)[:prefix][known[:prefix]], prefix)


def _check(row: dict[str, Any], hits: np.ndarray[Any, Any], requested: int) -> None:
    assert (row["samples"], row["correct"], row["requested_samples"]) == (len(hits), hits.sum(), requested)
    assert row["status"] == ("done" if len(hits) == requested else "partial" if len(hits) else "pending")
    if not len(hits):
        derived = [name for name in row if name.startswith(("accuracy", "mean")) or "per_" in name]
        assert len(derived) == 12
        assert {row[name] for name in derived} == {None}
        return
    interval = binomtest(int(hits.sum()), len(hits)).proportion_ci(method="wilson")
    assert row["accuracy"] == pytest.approx(hits.mean(), abs=1e-15)
    assert row["accuracy_low"] == pytest.approx(interval.low, abs=1e-12)
    assert row["accuracy_high"] == pytest.approx(interval.high, abs=1e-12)
    assert row["seconds_per_image"] == pytest.approx(0.0005)
    assert row["images_per_second"] == pytest.approx(2000)
    assert row["attack_seconds_per_image"] == pytest.approx(0.002)
    costs = ("forwards_per_image", "backwards_per_image", "attack_forwards_per_image", "attack_backwards_per_image")
    assert [row[name] for name in costs] == pytest.approx([3, 1, 10, 10])


def test_wilson_interval_of_every_count_of_a_block(store: ResultStore) -> None:
    cells = [make_cell(seed) for seed in range(BLOCK_SIZE + 1)]
    blocks = [make_block(cell, 0, [True] * n + [False] * (BLOCK_SIZE - n)) for n, cell in enumerate(cells)]
    run = store.start_run(make_record(), dict.fromkeys(cells, BLOCK_SIZE))
    store.write_blocks(run, blocks)
    frame = store.results(run).sort("correct")
    intervals = [binomtest(n, BLOCK_SIZE).proportion_ci(method="wilson") for n in range(BLOCK_SIZE + 1)]
    np.testing.assert_allclose(frame["accuracy_low"], [interval.low for interval in intervals], atol=1e-14)
    np.testing.assert_allclose(frame["accuracy_high"], [interval.high for interval in intervals], atol=1e-14)
    assert frame["accuracy_low"][0] == 0.0
    assert frame["accuracy_high"][-1] == 1.0


def test_means_weigh_every_sample_alike(store: ResultStore) -> None:
    cell = make_cell()
    run = start(store, cell, 70)
    store.write_blocks(run, make_blocks(cell, [True, False] * 35))
    samples = store.outcomes([cell.key]).cast({"margin": pl.Float64, "confidence": pl.Float64})
    row = row_of(store.results(), cell)
    assert row["mean_margin"] == pytest.approx(samples["margin"].mean(), rel=1e-12)
    assert row["mean_confidence"] == pytest.approx(samples["confidence"].mean(), rel=1e-12)


def test_a_cut_block_enters_a_run_with_its_mean(store: ResultStore) -> None:
    cell = make_cell()
    run = start(store, cell, 60)
    store.write_blocks(run, make_blocks(cell, [True] * 100))
    means = store.outcomes([cell.key])["confidence"].cast(pl.Float64).to_numpy().reshape(2, 50).mean(axis=1)
    assert row_of(store.results(run), cell)["mean_confidence"] == pytest.approx((50 * means[0] + 10 * means[1]) / 60)


def test_a_peak_is_the_largest_of_the_blocks_and_null_where_none_is_known(store: ResultStore) -> None:
    known, unknown = make_cell(1), make_cell(2)
    run = store.start_run(make_record(), {known: 60, unknown: 100})
    blocks = [
        replace(block, attack=Cost(1.0, 1, 1, 900.0 + block.block), defense=Cost(1.0, 1, 1, peak))
        for block, peak in zip(make_blocks(known, [True] * 150), (300.5, 100.0, 700.0), strict=True)
    ]
    store.write_blocks(run, [*blocks, make_block(unknown)])
    peaks = ("peak_memory_mib", "attack_peak_memory_mib")
    assert [row_of(store.results(), known)[name] for name in peaks] == [700.0, 902.0]
    assert [row_of(store.results(run), known)[name] for name in peaks] == [300.5, 901.0]
    assert [row_of(store.results(), unknown)[name] for name in peaks] == [None, None]


def test_zero_gradients_are_a_share_of_the_samples_and_null_without_gradients(store: ResultStore) -> None:
    one, none = make_cell(1), make_cell(2)
    run = store.start_run(make_record(), {one: 60, none: 50})
    blocks = [replace(block, zero_gradients=25 * block.block) for block in make_blocks(one, [True] * 100)]
    store.write_blocks(run, [*blocks, make_block(none)])
    assert row_of(store.results(), one)["zero_gradients"] == pytest.approx(25 / 100)
    assert row_of(store.results(run), one)["zero_gradients"] == pytest.approx(10 * (25 / 50) / 60)
    assert row_of(store.results(), none)["zero_gradients"] is None


def test_seconds_of_zero_give_no_speed(store: ResultStore) -> None:
    cell = make_cell()
    run = start(store, cell, 50)
    store.write_blocks(run, [replace(make_block(cell), defense=Cost())])
    row = row_of(store.results(), cell)
    assert row["images_per_second"] is None
    assert row["seconds_per_image"] == 0.0


def test_devices_are_distinct_and_sorted_and_only_those_of_the_prefix(store: ResultStore) -> None:
    cell = make_cell()
    run = start(store, cell, 250)
    few = start(store, cell, 100)
    names = ["T4", "A100", "T4", "H200", "A100"]
    store.write_blocks(run, [make_block(cell, number, device=name) for number, name in enumerate(names)])
    assert row_of(store.results(), cell)["devices"] == "A100, H200, T4"
    assert row_of(store.results(few), cell)["devices"] == "A100, T4"


def test_a_run_counts_only_its_own_cells(store: ResultStore) -> None:
    one, other = make_cell(1), make_cell(2)
    run, _ = start(store, one, 50), start(store, other, 50)
    assert store.results(run)["cell"].to_list() == [one.key]
    assert set(store.results()["cell"]) == {one.key, other.key}


def test_status_of_a_run_is_about_its_own_prefix(store: ResultStore) -> None:
    cell = make_cell()
    small, large = start(store, cell, 30), start(store, cell, 100)
    store.write_blocks(small, [make_block(cell)])
    assert row_of(store.results(small), cell)["status"] == "done"
    assert row_of(store.results(large), cell)["status"] == "partial"
    assert row_of(store.results(), cell)["status"] == "partial"
    assert row_of(store.results(small), cell)["samples"] == 30
    assert row_of(store.results(), cell)["samples"] == 50


def test_a_failure_shows_until_the_cell_is_done_or_asked_for_again(store: ResultStore) -> None:
    cell = make_cell()
    run = start(store, cell, 100)
    store.write_blocks(run, [make_block(cell)])
    store.fail_cells(run, [cell.key], "ValueError: no", "Traceback")
    row = row_of(store.results(), cell)
    assert (row["status"], row["error"], row["samples"], row["accuracy"]) == ("failed", "ValueError: no", 50, 1.0)
    later = start(store, cell, 100)
    assert row_of(store.results(), cell)["status"] == "partial"
    assert row_of(store.results(), cell)["error"] is None
    assert row_of(store.results(run), cell)["status"] == "failed"
    store.write_blocks(later, [make_block(cell, 1)])
    for frame in (store.results(), store.results(run)):
        assert (row_of(frame, cell)["status"], row_of(frame, cell)["error"]) == ("done", None)


@pytest.mark.parametrize("view", [RESULTS, RUN_RESULTS], ids=lambda view: str(view.name))
def test_views_have_the_documented_columns_and_types_also_when_empty(store: ResultStore, url: str, view: View) -> None:
    run = store.start_run(make_record(), {})
    asked = None if view is RESULTS else run
    empty = store.results(asked)
    cell = make_cell()
    filled_run = start(store, cell, 50)
    store.write_blocks(filled_run, [make_block(cell)])
    filled = store.results(None if view is RESULTS else filled_run)
    assert empty.is_empty()
    assert len(filled) == 1
    assert empty.schema == filled.schema
    assert filled.columns == [column.name for column in view.columns]
    assert read_only_query(url, f"SELECT * FROM {view.name}").columns == filled.columns
    assert filled.schema["updated_at"] == pl.Datetime("us", "UTC")


def test_a_query_gets_floats_and_integers(store: ResultStore, url: str) -> None:
    cell = make_cell()
    store.write_blocks(start(store, cell, 50), [make_block(cell, 0, [True, False, False])])
    frame = read_only_query(url, "SELECT accuracy, avg(accuracy) AS a, sum(samples) AS n FROM results GROUP BY 1")
    assert frame.dtypes == [pl.Float64, pl.Float64, pl.Int64]
    assert frame.row(0) == pytest.approx((1 / 3, 1 / 3, 3))


def test_a_view_row_tells_what_its_cell_is(store: ResultStore) -> None:
    cell = make_cell(7, model=ModelSpec("demo-clip", "d", demonstration=True), adaptive=Adaptive("bpda", 1))
    run = start(store, cell, 50)
    row = row_of(store.results(run), cell)
    expected = {
        "run": run,
        "run_name": "grid",
        "cell": cell.key,
        "model": "demo-clip",
        "dataset": "cifar10",
        "attack": "pgd(num_steps=10)",
        "epsilon_255": 4.0,
        "threat_model": "adaptive",
        "defense": "none",
        "seed": 7,
        "precision": "float32",
        "preprocessing": "native",
        "classes": 10,
        "demonstration": True,
        "attack_group": cell.attack_group,
        "devices": None,
    }
    assert {name: row[name] for name in expected} == expected
