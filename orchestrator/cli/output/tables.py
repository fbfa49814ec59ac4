"""Frames as text: a table for people, JSON, CSV and Parquet for programs."""

from __future__ import annotations

import sys

import polars as pl
from rich.console import Console
from rich.table import Table

from orchestrator.cli.options import Format, print_line
from scc_core.errors import UserError

_UNBOUNDED = 100_000


def print_frame(frame: pl.DataFrame, form: Format, console: Console) -> None:
    """Print a frame in the given form; Parquet goes to a pipe or file, never to a terminal.

    Raises:
        UserError: Parquet to a terminal.
    """
    if form is Format.TABLE:
        _print_table(frame, console)
    elif form is Format.JSON:
        print(frame.write_json())
    elif form is Format.CSV:
        print(frame.write_csv(), end="")
    elif sys.stdout.isatty():
        raise UserError("Parquet is binary; send it to a file: sccbench query ... --format parquet > results.parquet")
    else:
        frame.write_parquet(sys.stdout.buffer)


def without_shared(frame: pl.DataFrame, console: Console) -> pl.DataFrame:
    """Say once what is the same text in every row, and return the other columns, so that the table fits."""
    texts = [name for name, dtype in frame.schema.items() if not dtype.is_numeric()]
    shared = [name for name in texts if frame.height > 1 and frame[name].n_unique() == 1 and frame[name][0]]
    if shared:
        said = ", ".join(f"{name} {frame[name][0]}" for name in shared)
        print_line(console, f"in every row: {said}")
    return frame.drop(shared)


def fits(table: Table, console: Console) -> bool:
    """Tell whether the console is wide enough for a table whose texts are not folded."""
    return table.__rich_measure__(console, console.options.update(max_width=_UNBOUNDED)).maximum <= console.width


def _print_table(frame: pl.DataFrame, console: Console) -> None:
    """Print a table, or, where the terminal is too narrow for its columns, one line per value, as psql does."""
    table = _table(frame)
    if fits(table, console):
        console.print(table)
        return
    width = max(len(name) for name in frame.columns)
    for number, row in enumerate(frame.iter_rows(named=True), start=1):
        print_line(console, f"-- {number} of {len(frame)}")
        for name, value in row.items():
            print_line(console, f"{name:<{width}}  {_text(value)}")


def _table(frame: pl.DataFrame) -> Table:
    table = Table(caption=f"{len(frame)} rows" if len(frame) != 1 else "1 row", caption_justify="left")
    for name, dtype in frame.schema.items():
        table.add_column(name, justify="right" if dtype.is_numeric() else "left", overflow="fold")
    for row in frame.iter_rows():
        table.add_row(*(_text(value) for value in row))
    return table


def _text(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
