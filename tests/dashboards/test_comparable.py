"""Averages compare only what every defense has."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from dashboards.analysis.aggregate import pool_seeds
from dashboards.analysis.comparable import Comparable, comparable
from dashboards.analysis.study import Study
from tests.dashboards import frames


def measured(datasets_by_defense: Mapping[str, str]) -> Comparable:
    rows = [
        frames.result_row("m", dataset, 1.0, defense)
        for defense, datasets in datasets_by_defense.items()
        for dataset in datasets
    ]
    return comparable(pool_seeds(Study.of(pl.DataFrame(rows, infer_schema_length=None)).cells))


def test_full_grid_keeps_everything() -> None:
    found = measured({"none": "abcd", "scc": "abcd"})
    assert found.datasets == tuple("abcd")
    assert found.rows.height == 8
    assert (found.dropped_datasets, found.left_out) == ((), ())


def test_dataset_that_one_defense_lacks_is_dropped_for_all() -> None:
    found = measured({"none": "abcd", "scc": "abd"})
    assert found.datasets == ("a", "b", "d")
    assert found.dropped_datasets == ("c",)
    assert found.rows.height == 6


def test_straggler_is_left_out_instead_of_the_datasets_of_all_others() -> None:
    found = measured({"none": "abcd", "scc": "abcd", "tte": "a"})
    assert found.datasets == tuple("abcd")
    assert found.left_out == (("tte", 1.0),)
    assert set(found.rows["defense"]) == {"none", "scc"}


def test_disjoint_defenses_are_not_compared() -> None:
    found = measured({"none": "abc", "scc": "cd", "ttc": "abd"})
    per_defense = found.rows.group_by("defense").agg(pl.col("dataset").sort())
    assert found.datasets
    assert {tuple(names) for names in per_defense["dataset"]} == {found.datasets}


def test_nothing_measured_gives_nothing() -> None:
    found = comparable(Study.of(frames.demo_results().clear()).pooled)
    assert (found.datasets, found.rows.height) == ((), 0)
