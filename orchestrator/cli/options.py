"""Options that several commands share, and the consoles they print to."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

DEFAULT_DATABASE = "sqlite:///sccbench.db"
_PIPE_WIDTH = 200


class Format(StrEnum):
    """How a table is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"


GridPath = Annotated[Path, typer.Argument(metavar="GRID", help="A grid file (YAML); see grids/demo.yaml.")]
Database = Annotated[
    str,
    typer.Option(
        "--db", metavar="URL", envvar="SCCBENCH_DB", help="The results database, in SQLAlchemy's form of a URL."
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS", help="An existing Ray cluster: auto, HOST:PORT or ray://HOST:PORT. Default: start Ray here."
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Workers at most. Default: one per GPU, without GPUs one per CPU core."),
]
BatchSize = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Images at a time; changes speed and memory, never a result."),
]
TableFormat = Annotated[Format, typer.Option("--format", help="How to print.")]


def output() -> Console:
    """Return the console for results; a pipe gets wide lines, so that tables are not folded."""
    return _console(stderr=False)


def messages() -> Console:
    """Return the console for errors and progress of commands whose output is data."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr)
    if console.is_terminal or "COLUMNS" in os.environ:
        return console
    return Console(stderr=stderr, width=_PIPE_WIDTH)
