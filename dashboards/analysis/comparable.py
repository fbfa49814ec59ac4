"""Finds the datasets over which several defenses may be compared at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class Comparable:
    """Rows that may share an average.

    Attributes:
        rows: pooled rows, one for every column and dataset that is left.
        datasets: the datasets that every column has, sorted.
        dropped_datasets: datasets that some column lacks, sorted.
        left_out: columns that too few datasets have, one tuple of key values each.
    """

    rows: pl.DataFrame
    datasets: tuple[str, ...]
    dropped_datasets: tuple[str, ...]
    left_out: tuple[tuple[object, ...], ...]


def comparable(pooled: pl.DataFrame, columns: Sequence[str] = ("defense", "epsilon_255")) -> Comparable:
    """Keep what every column has measured on the same datasets.

    A column (one value of ``columns``) that fewer than half of the datasets have is left out, so that one incomplete
    column does not leave the others without datasets in common. Of the rest, only datasets that all columns have are
    kept; while there is none, the column with the fewest datasets is left out too.

    Args:
        pooled: rows of one panel, from :func:`dashboards.analysis.aggregate.pool_seeds`.
        columns: the keys that are compared, such as defense and epsilon.
    """
    measured = pooled.filter(pl.col("accuracy").is_not_null())
    every_dataset = set(measured["dataset"])
    grouped = measured.group_by(columns).agg(pl.col("dataset").unique()).sort(columns)
    coverage = {tuple(row[:-1]): set(row[-1]) for row in grouped.iter_rows()}
    kept = {key: names for key, names in coverage.items() if 2 * len(names) >= len(every_dataset)}
    while kept and not set.intersection(*kept.values()):
        del kept[min(kept, key=lambda key: len(kept[key]))]
    datasets = set.intersection(*kept.values()) if kept else set()
    keys = pl.DataFrame(list(kept), schema={name: measured.schema[name] for name in columns}, orient="row")
    rows = measured.filter(pl.col("dataset").is_in(sorted(datasets))).join(keys, on=columns, how="semi")
    left_out = tuple(key for key in coverage if key not in kept)
    return Comparable(rows, tuple(sorted(datasets)), tuple(sorted(every_dataset - datasets)), left_out)
