"""Options that several commands share, and the consoles they print to."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from orchestrator.cluster.options import Devices, RunOptions
from scc_core.machine import settings
from scc_core.machine.settings import DEFAULT_DATABASE as DEFAULT_DATABASE

_PIPE_WIDTH = 200


class Format(StrEnum):
    """How a table is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"


GridPath = Annotated[Path, typer.Argument(metavar="GRID", help="A grid file (YAML); see grids/demo.yaml.")]


def _database(context: typer.Context, option: typer.CallbackParam, value: str) -> str:
    """Take the file that the environment names where no URL is given, and no password from a command line."""
    from orchestrator.store import check_not_on_command_line, database_of_environment

    source = context.get_parameter_source(str(option.name))
    given = source.name if source is not None else ""
    if given == "COMMANDLINE":
        check_not_on_command_line(value)
    return (database_of_environment() or value) if given == "DEFAULT" else value


Database = Annotated[
    str,
    typer.Option(
        "--db",
        metavar="URL",
        envvar=settings.DATABASE.name,
        callback=_database,
        help="The results database, in SQLAlchemy's form of a URL; without it the one in the file "
        f"{settings.DATABASE_FILE.name}.",
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS", help="An existing Ray cluster: auto, HOST:PORT or ray://HOST:PORT. Default: start Ray here."
    ),
]
AnyAddress = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="ADDRESS",
        help="As for run; or http://HOST:8265, and the head of the cluster continues the run.",
    ),
]
HeadAddress = Annotated[
    str,
    typer.Option(
        "--address",
        metavar="URL",
        envvar="RAY_API_SERVER_ADDRESS",
        help="The job API of a Ray cluster: http://HOST:8265.",
    ),
]
OptionalHeadAddress = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="URL",
        envvar="RAY_API_SERVER_ADDRESS",
        help="The job API of a Ray cluster, http://HOST:8265, instead of a database.",
    ),
]
NoPlugins = Annotated[
    bool,
    typer.Option("--no-plugins", help="Refuse a grid that names code: dotted paths and components of other packages."),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        metavar="N",
        help="Workers at most. Default: as many as there are slots: one per GPU, without GPUs one per CPU core.",
    ),
]
_BatchSize = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Images that a GPU computes together at most, if its memory is small. Fewer than 50, the default, round "
        "otherwise, and results tell it. On a CPU their number is fixed.",
    ),
]
_Devices = Annotated[
    Devices,
    typer.Option("--devices", help="What computes: GPUs, or CPUs where there are none; one of them; or all nodes."),
]
_GpusPerWorker = Annotated[
    float,
    typer.Option(metavar="G", help="GPUs of a worker; 0.5 puts two workers on each GPU."),
]
_HangSeconds = Annotated[
    float | None,
    typer.Option(
        min=1.0,
        metavar="S",
        help="A worker that is silent on a shard for ten times as long as it should take is ended, but never before S "
        "seconds. Default: 600.",
    ),
]
_RUN_OPTIONS: dict[str, Any] = {
    "num_workers": Workers,
    "batch_size": _BatchSize,
    "devices": _Devices,
    "gpus_per_worker": _GpusPerWorker,
    "hang_seconds": _HangSeconds,
}
"""The options of a run on the command line, by the fields of :class:`RunOptions`, without the address."""
Strict = Annotated[
    bool,
    typer.Option("--strict", help="Refuse datasets that leave something out: a damaged image, a file of another kind."),
]
TableFormat = Annotated[Format, typer.Option("--format", help="How to print.")]


def takes_run_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a run in place of its parameter ``options``, and build that from what was given.

    The defaults are those of :class:`RunOptions`. Its address is left out, since commands take different kinds of one.
    """
    defaults, kind = RunOptions(), inspect.Parameter.KEYWORD_ONLY
    shared = [
        inspect.Parameter(name, kind, default=getattr(defaults, name), annotation=annotation)
        for name, annotation in _RUN_OPTIONS.items()
    ]
    signature = inspect.signature(command, eval_str=True)
    parameters: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        parameters += shared if parameter.name == "options" else [parameter.replace(kind=kind)]

    @functools.wraps(command)
    def with_run_options(**given: Any) -> None:
        options = RunOptions(**{name: given.pop(name) for name in _RUN_OPTIONS})
        command(**given, options=options)

    with_run_options.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return with_run_options


def output() -> Console:
    """Return the console for results; a pipe gets wide lines, so that tables are not folded."""
    return _console(stderr=False)


def messages() -> Console:
    """Return the console for errors and progress of commands whose output is data."""
    return _console(stderr=True)


def print_line(console: Console, line: str, style: str | None = None) -> None:
    """Print a line in one piece, in ``style`` alone, and with its brackets, which rich would read as markup."""
    console.print(line, style=style, highlight=False, markup=False, soft_wrap=True)


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr)
    if console.is_terminal or "COLUMNS" in os.environ:
        return console
    return Console(stderr=stderr, width=_PIPE_WIDTH)
