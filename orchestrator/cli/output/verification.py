"""What an audit found, as a table for people and as a frame for programs."""

from __future__ import annotations

import polars as pl
from rich.console import Console

from orchestrator.cli.options import Format
from orchestrator.cli.output.tables import print_frame, without_shared


def print_verification(blocks: pl.DataFrame, form: Format, console: Console) -> None:
    """Print every block for programs; for people the cells of which anything differs, if any does."""
    if form is not Format.TABLE:
        print_frame(blocks, form, console)
        return
    differs = (pl.col("predictions_differ") > 0) | (pl.col("margins_differ") > 0)
    broken = blocks.filter(differs | pl.col("error").is_not_null())
    names = blocks.columns[: blocks.columns.index("cell")]
    by_cell = broken.group_by([*names, "stored_in", "computed_in"], maintain_order=True).agg(
        pl.len().alias("blocks"),
        pl.col("samples", "predictions_differ", "margins_differ").sum(),
        pl.col("largest_difference").max(),
        pl.col("error").first(),
    )
    if len(by_cell):
        empty = [column for column in by_cell.columns if by_cell[column].null_count() == len(by_cell)]
        print_frame(without_shared(by_cell.drop(empty), console), form, console)
