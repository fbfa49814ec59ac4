"""Commands about what exists: list, doctor."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from orchestrator.cli.options import DEFAULT_DATABASE, Address, Database, Strict, output, print_line
from scc_core.errors import UserError

if TYPE_CHECKING:
    from orchestrator.doctor.environment import Finding
    from orchestrator.grid.outline import ClassLine


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


_ONLY_IN_JSON = frozenset(
    (
        *("parameters", "notes", "source", "citation"),
        *("title", "task", "obtain", "layout"),
        *("architecture", "mean", "std", "context_length"),
    )
)
"""Parts of a record for which a table has no room."""

_ROWS, _LAST_ROWS = 60, 10
"""Of how many classes a table has a row, and how many of these are the last."""
_WIDEST = 120
_COLUMNS = {Kind.DATASETS: ("name", "title", "images", "classes", "split", "modality", "licence", "demonstration")}
"""What a table shows where the records have more than it has room for; what else there is, JSON shows."""


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("list")(list_components)
    app.command()(doctor)


def list_components(
    kind: Annotated[Kind, typer.Argument(help="What to list.")],
    form: Annotated[ListFormat, typer.Option("--format", help="How to print.")] = ListFormat.TABLE,
) -> None:
    """List what a grid may name, with the parameters and their ranges."""
    from orchestrator.grid.catalogue import LISTINGS

    records = LISTINGS[kind]()
    if form is ListFormat.JSON:
        print(json.dumps(records, indent=2))
        return
    columns = _COLUMNS.get(kind) or [name for name in records[0] if name not in _ONLY_IN_JSON]
    table = Table()
    for column in columns:
        # A name is there to be copied, so it is never cut short.
        table.add_column(column, no_wrap=column == "name", overflow="fold")
    for record in records:
        table.add_row(*(_text(record[name]) for name in columns))
        for parameter in record.get("parameters", ()):
            table.add_row(
                "", f"  {parameter['name']} = {parameter['default']} {parameter['range']}  {parameter['help']}"
            )
    output().print(table)


def doctor(
    db: Database = DEFAULT_DATABASE,
    address: Address = None,
    dataset: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Check this dataset's files instead, image by image. May be given again."),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Count a dataset's tokens as this model does. May be given again. Default: as CLIP does.",
        ),
    ] = None,
    strict: Strict = False,
) -> None:
    """Check what is installed, what is reachable, what is missing and how to get it; or a dataset's files."""
    if dataset:
        _examine_datasets(dataset, model or (), strict)
        return
    if model:
        raise UserError("--model is for --dataset: its prompts are read as that model reads them")
    from orchestrator.doctor.environment import examine

    findings = examine(db, address)
    output().print(_findings_table(findings))
    if any(finding.state == "missing" for finding in findings):
        raise typer.Exit(1)


def _examine_datasets(names: Sequence[str], models: Sequence[str], strict: bool) -> None:
    from orchestrator.doctor.dataset import examine_dataset
    from orchestrator.grid.dataset_warnings import describe_warnings

    reports = {name: examine_dataset(name, models) for name in names}
    for name, report in reports.items():
        print_line(output(), f"dataset {name}")
        output().print(_findings_table(report.findings))
        if report.classes:
            output().print(_classes_table(report.classes))
        for line in describe_warnings({name: report.warnings}):
            print_line(output(), line)
        for step in report.steps:
            print_line(output(), step)
    if not all(report.is_sound(strict=strict) for report in reports.values()):
        raise typer.Exit(UserError.exit_status)


def _findings_table(findings: Sequence[Finding]) -> Table:
    table = Table("check", "state", "detail")
    for finding in findings:
        table.add_row(escape(finding.name), finding.state, escape(finding.detail))
    return table


def _classes_table(classes: Sequence[ClassLine]) -> Table:
    """Return a row per class; of many the first and the last."""
    left_out = len(classes) - _ROWS
    caption = f"and {left_out:,} more between them; the checks look at every class" if left_out > 0 else None
    table = Table("label", "key", "name", "prompt", "tokens", "images", caption=caption)
    for each in classes if left_out <= 0 else (*classes[: _ROWS - _LAST_ROWS], *classes[-_LAST_ROWS:]):
        texts = (escape(_short(text)) for text in (each.key, each.name, each.prompt))
        table.add_row(str(each.label), *texts, "" if each.tokens is None else str(each.tokens), f"{each.images:,}")
    return table


def _short(text: str) -> str:
    """Return a text in one line of a table."""
    return text if len(text) <= _WIDEST else f"{text[:_WIDEST]}..."


def _text(value: object) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else ""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
