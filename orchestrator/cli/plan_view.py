"""What ``sccbench plan`` prints."""

from __future__ import annotations

from collections import Counter

import polars as pl
from rich.console import Console
from rich.table import Table

from orchestrator.driver import describe_plan
from orchestrator.estimate import Speed, estimate_seconds, probe_speed, stored_speeds
from orchestrator.expansion import expand
from orchestrator.grid import Grid
from orchestrator.identity import Cell
from orchestrator.plan import Plan, make_plan
from orchestrator.pool import available_cpus
from orchestrator.progress import format_seconds
from orchestrator.store import ResultStore, database_exists
from workers.bench import build_attack
from workers.shard import ComponentRequest

_GROUPED = ["model", "dataset", "attack", "what runs", "samples"]


def show_plan(grid: Grid, db: str, workers: int | None, console: Console) -> None:
    """Print the plan of a grid; the database is read but not made.

    Raises:
        UserError: the grid or the database is wrong.
    """
    cells = expand(grid)
    store = ResultStore.open(db, create=False) if database_exists(db) else None
    plan = make_plan(cells, store.measured_blocks if store else lambda _keys: {})
    workers = workers or available_cpus()
    console.print(f"{grid.name}: {describe_plan(plan)}", highlight=False)
    console.print(_cells_table(plan))
    if plan.missing:
        _print_estimate(grid, plan, store, workers, console)


def _print_estimate(grid: Grid, plan: Plan, store: ResultStore | None, workers: int, console: Console) -> None:
    blocks = plan.shard_blocks(workers)
    shards = sum(-(-len(span.blocks) // blocks) for span in plan.spans)
    speeds = _speeds(grid, plan, store)
    seconds = estimate_seconds(plan, speeds, workers)
    origins = ", ".join(f"{model}: {speed.source}" for model, speed in sorted(speeds.items()))
    console.print(
        f"{shards} shards of up to {blocks} blocks on {workers} workers of this machine: "
        f"about {format_seconds(seconds)} of compute (speed from {origins})",
        highlight=False,
        soft_wrap=True,
    )


def _speeds(grid: Grid, plan: Plan, store: ResultStore | None) -> dict[str, Speed]:
    known = stored_speeds(store.results()) if store else {}
    speeds = {}
    for span in plan.spans:
        cell = span.cells[0]
        if cell.model.name not in speeds:
            speeds[cell.model.name] = known.get(cell.model.name) or probe_speed(
                cell.model.name, cell.dataset.name, grid.preprocessing
            )
    return speeds


def _cells_table(plan: Plan) -> Table:
    missing = plan.missing_blocks()
    frame = pl.DataFrame(
        [
            (cell.model.name, cell.dataset.name, cell.attack.label, _runs(cell), samples, cell.key not in missing)
            for cell, samples in plan.cells.items()
        ],
        schema=[*_GROUPED, "done"],
        orient="row",
    )
    counts = Counter(frame.select(_GROUPED).iter_rows())
    done = Counter(frame.filter("done").select(_GROUPED).iter_rows())
    table = Table("model", "dataset", "attack", "what runs")
    for column in ("samples", "cells", "measured"):
        table.add_column(column, justify="right")
    for row, count in counts.items():
        *names, samples = row
        table.add_row(*names, f"{samples:,}", str(count), str(done[row]))
    return table


def _runs(cell: Cell) -> str:
    """Name the parts of an attack that run on a dataset: few classes make some drop out or shrink."""
    if cell.epsilon_255 == 0:
        return ""
    attack = build_attack(ComponentRequest(cell.attack.name, cell.attack.parameters))
    return ", ".join(attack.composition(cell.dataset.classes))
