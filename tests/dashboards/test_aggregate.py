"""Pooling, averaging and their intervals against plain Python."""

from __future__ import annotations

import math
from collections import defaultdict

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.analysis.aggregate import macro_mean, pool_seeds, wilson_limits
from dashboards.analysis.study import Study
from scc_core.evaluation.metrics import mean_interval
from tests.dashboards import frames


def row(dataset: str, correct: int, samples: int = 100, **more: object) -> frames.Row:
    return {**frames.result_row("m", dataset, 1.0, "scc", samples=samples, correct=correct), **more}


def pooled(*rows: frames.Row) -> pl.DataFrame:
    return pool_seeds(Study.of(pl.DataFrame(rows, infer_schema_length=None)).cells)


@given(st.integers(1, 100_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_limits_agree_with_plain_python(counts: tuple[int, int]) -> None:
    correct, samples = counts
    low, high = wilson_limits(pl.col("p"), pl.col("n"))
    found = pl.DataFrame({"p": [correct / samples], "n": [samples]}).select(low.alias("low"), high.alias("high"))
    assert found.row(0) == pytest.approx(frames.wilson(correct, samples), abs=1e-12)


def test_wilson_limits_agree_with_published_values() -> None:
    low, high = wilson_limits(pl.col("p"), pl.col("n"))
    found = pl.DataFrame({"p": [0.1, 0.0], "n": [50, 20]}).select(low.alias("low"), high.alias("high"))
    assert found.rows() == [pytest.approx((0.0434751, 0.2136023), abs=1e-6), pytest.approx((0, 0.1611252), abs=1e-6)]


def test_pooling_agrees_with_plain_python() -> None:
    results = frames.large_results()
    counts: dict[tuple[object, ...], list[tuple[int, int]]] = defaultdict(list)
    for cell in results.filter(pl.col("accuracy").is_not_null()).iter_rows(named=True):
        key = tuple(cell[k] for k in ("model", "dataset", "attack", "epsilon_255", "threat_model", "defense"))
        counts[key].append((cell["correct"], cell["samples"]))
    measured = Study.of(results).pooled.filter(pl.col("accuracy").is_not_null())
    assert measured.height == len(counts)
    for found in measured.iter_rows(named=True):
        parts = counts[tuple(list(found.values())[:6])]
        correct, samples = (sum(values) for values in zip(*parts, strict=True))
        assert (found["correct"], found["samples"], found["seeds"]) == (correct, samples, len(parts))
        assert found["accuracy"] == pytest.approx(correct / samples)
        assert found["images"] == max(part[1] for part in parts)


def test_one_seed_keeps_the_wilson_interval_of_its_cell() -> None:
    found = Study.of(frames.demo_results())
    joined = found.pooled.join(found.cells, on=["model", "dataset", "attack", "epsilon_255", "threat_model", "defense"])
    for side in ("accuracy", "accuracy_low", "accuracy_high"):
        assert (joined[side] - joined[f"{side}_right"]).abs().max() == pytest.approx(0, abs=1e-12)


def test_more_seeds_on_the_same_images_do_not_narrow_the_interval() -> None:
    one = pooled(row("a", 40))
    three = pooled(*(row("a", 40, cell=str(seed), seed=seed) for seed in range(3)))
    assert three["samples"].item() == 300
    assert three["images"].item() == 100
    for side in ("accuracy_low", "accuracy_high"):
        assert three[side].item() == pytest.approx(one[side].item())


def test_seed_deviation_is_the_sample_deviation_of_the_seeds_accuracies() -> None:
    found = pooled(*(row("a", correct, cell=str(correct), seed=correct) for correct in (40, 44, 51)))
    mean = 45 / 100
    expected = math.sqrt(sum((value / 100 - mean) ** 2 for value in (40, 44, 51)) / 2)
    assert found["seed_deviation"].item() == pytest.approx(expected)


def test_speed_is_pooled_over_time_not_over_rates() -> None:
    slow = row("a", 1, cell="1", seed=1, seconds_per_image=0.1)
    fast = row("a", 1, cell="2", seed=2, seconds_per_image=0.001)
    assert pooled(slow, fast)["seconds"].item() == pytest.approx(100 * 0.1 + 100 * 0.001)


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (("done", "done"), "done"),
        (("done", "failed"), "partial"),
        (("partial", "pending"), "partial"),
        (("failed", "pending"), "failed"),
        (("pending", "pending"), "pending"),
    ],
)
def test_status_of_several_seeds(statuses: tuple[str, ...], expected: str) -> None:
    rows = [row("a", 5, cell=str(seed), seed=seed, status=status) for seed, status in enumerate(statuses)]
    assert pooled(*rows)["status"].item() == expected


def test_failed_cells_lend_no_counts() -> None:
    found = pooled(row("a", 5, cell="1"), row("a", 90, cell="2", seed=1, status="failed"))
    assert (found["correct"].item(), found["samples"].item()) == (5, 100)


def test_mean_weighs_every_dataset_alike() -> None:
    found = macro_mean(pooled(row("a", 90, 100), row("b", 100, 1000), row("c", 5, 10)))
    assert found["accuracy"].item() == pytest.approx((0.9 + 0.1 + 0.5) / 3)
    assert (found["datasets"].item(), found["images"].item(), found["correct"].item()) == (3, 1110, 195)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(20, 3000)), min_size=1, max_size=6))
def test_interval_of_the_mean_is_that_of_the_metrics(counts: list[tuple[int, int]]) -> None:
    found = macro_mean(pooled(*(row(f"d{index}", *pair) for index, pair in enumerate(counts)))).row(0, named=True)
    expected = mean_interval(counts)
    assert (found["accuracy_low"], found["accuracy_high"]) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_interval_of_the_mean_is_two_standard_errors_for_large_counts() -> None:
    counts = {"a": (900_000, 1_000_000), "b": (100_000, 1_000_000)}
    found = macro_mean(pooled(*(row(name, *pair) for name, pair in counts.items())))
    deviation = math.sqrt(2 * 0.09 / 1_000_000) / 2
    assert found["accuracy_high"].item() - 0.5 == pytest.approx(2 * deviation, rel=1e-3)
    assert 0.5 - found["accuracy_low"].item() == pytest.approx(2 * deviation, rel=1e-3)


def test_interval_of_one_dataset_is_wilsons() -> None:
    found = macro_mean(pooled(row("a", 7, 50)))
    assert (found["accuracy_low"].item(), found["accuracy_high"].item()) == pytest.approx(frames.wilson(7, 50))


@given(st.lists(st.tuples(st.integers(0, 20), st.just(20)), min_size=1, max_size=5))
def test_interval_of_the_mean_stays_in_range_and_is_never_empty(counts: list[tuple[int, int]]) -> None:
    found = macro_mean(pooled(*(row(f"d{index}", *pair) for index, pair in enumerate(counts)))).row(0, named=True)
    assert 0 <= found["accuracy_low"] <= found["accuracy"] <= found["accuracy_high"] <= 1
    assert found["accuracy_high"] - found["accuracy_low"] > 0.01
