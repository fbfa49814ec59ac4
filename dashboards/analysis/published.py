"""What is measured beside what was published, as the site shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import polars as pl

from orchestrator.results.published.comparison import Comparison, GateResult


@dataclass(frozen=True)
class Published:
    """The comparable results of a database.

    Attributes:
        rows: the compared rows of :data:`~orchestrator.results.published.comparison.COMPARISON_SCHEMA`; none where
            nothing is comparable.
        gates: what the undefended models give.
        notes: what a reader of the sources of ``rows`` must know.
    """

    rows: pl.DataFrame
    gates: Sequence[GateResult]
    notes: Sequence[str]

    @classmethod
    def of(cls, comparison: Comparison) -> Self:
        """Take what a site shows from a comparison."""
        rows = comparison.table().filter(pl.col("reason").is_null())
        return cls(rows, comparison.gates(), comparison.notes(rows["source"].unique().to_list()))
