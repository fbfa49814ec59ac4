"""The command that sets measured beside published numbers: compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import DEFAULT_DATABASE, Database, Format, TableFormat, messages, output
from scc_core.errors import UserError

PublishedOption = Annotated[bool, typer.Option("--published", help="Compare with published numbers.")]
TablesOption = Annotated[
    Path | None,
    typer.Option(
        "--tables",
        metavar="FOLDER",
        help="Published numbers of your own: a folder with published.csv and names.yaml. Default: those that ship.",
    ),
]
RunOption = Annotated[
    str | None, typer.Option("--run", metavar="RUN", help="A run's id or its beginning. Default: all that is measured.")
]
AllOption = Annotated[
    bool, typer.Option("--all", help="Also list the numbers without a measured counterpart, each with the reason.")
]


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(compare)


def compare(
    published: PublishedOption = False,
    tables: TablesOption = None,
    run: RunOption = None,
    everything: AllOption = False,
    db: Database = DEFAULT_DATABASE,
    form: TableFormat = Format.TABLE,
) -> None:
    """Set what is measured beside published numbers, where the two are comparable."""
    from orchestrator.cli.output.comparison import print_comparison
    from orchestrator.results.published import load_published, shipped
    from orchestrator.results.published.comparison import Comparison
    from orchestrator.store import ResultStore

    if not published:
        raise UserError("compare with what? give --published; for another run use `sccbench query`")
    numbers = shipped() if tables is None else load_published(tables)
    with ResultStore.open(db, create=False) as store:
        comparison = Comparison(store, numbers, run)
    # The text for people must not mix with data that a program reads from standard output.
    words = output() if form is Format.TABLE else messages()
    print_comparison(comparison, form, output(), words, everything=everything)
