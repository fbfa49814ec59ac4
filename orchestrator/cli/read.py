"""Commands that read results: status, query."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.options import (
    DEFAULT_DATABASE,
    Database,
    Format,
    OptionalHeadAddress,
    TableFormat,
    output,
)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (status, query):
        app.command()(command)


def status(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="A run's id or its beginning. Default: all runs.")
    ] = None,
    db: Database = DEFAULT_DATABASE,
    address: OptionalHeadAddress = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it again until the run ends, and exit as it did.")
    ] = False,
) -> None:
    """Show the runs of the database, or the cells of one run with what went wrong; with --address those of a head."""
    from orchestrator.cli.output.status import show_database, show_head, watch_database, watch_head

    if address is not None:
        from orchestrator.jobs import Head

        head = Head(address)
        watch_head(head, run) if watch else show_head(head, run)
        return
    from orchestrator.store import ResultStore

    with ResultStore.open(db, create=False) as store:
        watch_database(store, run) if watch else show_database(store, run)


def query(
    sql: Annotated[
        str | None, typer.Argument(metavar="[SQL]", help="One SELECT. Without it: the views and their columns.")
    ] = None,
    db: Database = DEFAULT_DATABASE,
    form: TableFormat = Format.TABLE,
) -> None:
    """Run read-only SQL on the results database; without SQL it lists the views, the public interface."""
    from orchestrator.cli.output.tables import print_frame
    from orchestrator.store import list_views, read_only_query

    frame = list_views() if sql is None else read_only_query(db, sql)
    print_frame(frame, form, output())
