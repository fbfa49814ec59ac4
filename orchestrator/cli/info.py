"""Commands about what exists: list, doctor."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer
from rich.table import Table

from orchestrator.cli.options import DEFAULT_DATABASE, Address, Database, output


class Kind(StrEnum):
    """What can be listed."""

    MODELS = "models"
    DATASETS = "datasets"
    ATTACKS = "attacks"
    DEFENSES = "defenses"


class ListFormat(StrEnum):
    """How a list is printed."""

    TABLE = "table"
    JSON = "json"


_ONLY_IN_JSON = frozenset({"parameters", "notes", "title", "task", "source", "citation", "obtain", "layout"})
"""Parts of a record for which a table has no room."""


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("list")(list_components)
    app.command()(doctor)


def list_components(
    kind: Annotated[Kind, typer.Argument(help="What to list.")],
    form: Annotated[ListFormat, typer.Option("--format", help="How to print.")] = ListFormat.TABLE,
) -> None:
    """List what a grid may name, with the parameters and their ranges."""
    from orchestrator.listing import LISTINGS

    records = LISTINGS[kind]()
    if form is ListFormat.JSON:
        print(json.dumps(records, indent=2))
        return
    columns = [name for name in records[0] if name not in _ONLY_IN_JSON]
    table = Table(*columns)
    for record in records:
        table.add_row(*(_text(record[name]) for name in columns))
        for parameter in record.get("parameters", ()):
            table.add_row(
                "", f"  {parameter['name']} = {parameter['default']} {parameter['range']}  {parameter['help']}"
            )
    output().print(table)


def doctor(db: Database = DEFAULT_DATABASE, address: Address = None) -> None:
    """Check what is installed, what is reachable, what is missing and how to get it."""
    from orchestrator.doctor import examine

    table = Table("check", "state", "detail")
    findings = examine(db, address)
    for finding in findings:
        table.add_row(finding.name, finding.state, finding.detail)
    output().print(table)
    if any(finding.state == "missing" for finding in findings):
        raise typer.Exit(1)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
