"""What ``sccbench plan`` prints."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from orchestrator.cli.options import print_line
from orchestrator.cli.output.estimate import print_effort
from orchestrator.cli.output.lengths import print_lengths
from orchestrator.grid.cell import Cell
from orchestrator.grid.dataset_warnings import describe_warnings, warnings_of
from orchestrator.grid.expand import expand_provisionally
from orchestrator.grid.left_out import describe_left_out, left_out_of, refuse_left_out
from orchestrator.grid.not_fetched import Absences
from orchestrator.grid.outline import describe_outlines
from orchestrator.grid.schema import Grid
from orchestrator.plan.changed_code import changed_code
from orchestrator.plan.plan import Plan, describe_plan, make_plan
from orchestrator.store import ResultStore, database_exists


def show_plan(grid: Grid, db: str, workers: int | None, console: Console, *, strict: bool = False) -> None:
    """Print the plan of a grid; the database is read but not made, and nothing has to be fetched.

    Raises:
        UserError: the grid or the database is wrong, or a dataset leaves something out and ``strict`` refuses it.
    """
    expansion = expand_provisionally(grid)
    if strict:
        refuse_left_out(expansion.cells)
    warnings = describe_warnings(warnings_of(expansion.cells))
    for line in (*describe_left_out(left_out_of(expansion.cells)), *warnings):
        print_line(console, line)
    store = ResultStore.open(db, create=False) if database_exists(db) else None
    plan = make_plan(expansion.cells, store.measured_blocks if store else lambda _keys: {})
    print_line(console, f"{grid.name}: {describe_plan(plan)}")
    for line in changed_code(plan, store) if store else ():
        print_line(console, line)
    _print_cells(plan, console)
    print_lengths(plan.cells, console)
    for line in describe_outlines(expansion.outlines):
        print_line(console, line)
    if expansion.absent:
        _print_absent(expansion.absent, expansion.cells, console)
    if plan.missing:
        print_effort(grid, plan, store, workers, console)


def _print_absent(absent: Absences, cells: Iterable[Cell], console: Console) -> None:
    known = {cell.dataset.name for cell in cells}
    unknown = [one.name for one in absent if one.kind == "dataset" and one.name not in known]
    lines = [
        "not everything is on this machine: what is missing is counted from its card, and none of it as measured; "
        "before a run:",
        *(f"  {command}" for command in absent.commands()),
        *(f"  {one.error}" for one in absent if not one.fetchable),
    ]
    if unknown:
        lines.append(f"nothing is known of {', '.join(unknown)} without the files: left out of the count")
    for line in lines:
        print_line(console, line)


def _print_cells(plan: Plan, console: Console) -> None:
    """Print one row per model and dataset; a single model once for all."""
    missing = plan.missing_blocks()
    groups: dict[tuple[str, str, int], list[Cell]] = {}
    for cell, samples in plan.cells.items():
        groups.setdefault((cell.model.name, cell.dataset.name, samples), []).append(cell)
    models = {model for model, _, _ in groups}
    if len(models) == 1:
        print_line(console, f"model {models.pop()}")
    names = ["model", "dataset"] if models else ["dataset"]
    table = Table(*(Column(name, overflow="fold") for name in names), "attacks")
    for column in ("images", "cells", "measured"):
        table.add_column(column, justify="right")
    for (model, dataset, samples), cells in groups.items():
        measured = sum(cell.key not in missing for cell in cells)
        subject = [model, dataset] if models else [dataset]
        table.add_row(*subject, escape(_attacks(cells)), f"{samples:,}", str(len(cells)), str(measured))
    console.print(table)


def _attacks(cells: Iterable[Cell]) -> str:
    """Name what is done to a dataset's images, in one line if every attack is of one part."""
    distinct = {cell.threat.label: cell for cell in cells}
    runs = list(dict.fromkeys(_runs(cell) for cell in distinct.values()))
    return ("\n" if any(": " in run for run in runs) else ", ").join(runs)


def _runs(cell: Cell) -> str:
    """Name an attack, and the parts that run on a dataset: few classes make some drop out or shrink."""
    attack = cell.threat.attack
    if attack is None:
        return "clean"
    parts = attack.build().composition(cell.dataset.classes)
    return cell.threat.label if parts == (attack.name,) else f"{cell.threat.label}: {', '.join(parts)}"
