"""What ``sccbench plan`` says of the work and of the time that it takes."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from rich.console import Console
from rich.table import Table

from orchestrator.cli.options import print_line
from orchestrator.driver.display import format_seconds
from orchestrator.grid.schema import Grid
from orchestrator.plan.device_figures import tower_of
from orchestrator.plan.effort import Effort, effort
from orchestrator.plan.estimate import (
    DeviceEstimate,
    Speed,
    compute_seconds,
    device_estimates,
    flops,
    probe_speed,
    stored_speeds,
)
from orchestrator.plan.plan import Plan
from orchestrator.store import ResultStore
from scc_core.evaluation.measure import device_name
from scc_core.models import get_model

_DAY = 24 * 3600
_PETA = 1e15
_WORDS = {"database": "measured here", "kernels": "measured", "bound": "not measured"}
_CAPTION = (
    "at least: all these operations at the peak of the data sheet, which no run reaches: it estimates no run. "
    "Only a run that needs fewer, because attacks break images early or gates spare them, can be faster."
)


def print_effort(grid: Grid, plan: Plan, store: ResultStore | None, workers: int | None, console: Console) -> None:
    """Print images, attack steps and passes of what is missing, and what they take where.

    Models and datasets that are not on this machine are not looked at but by their cards.
    """
    left = effort(plan)
    towers = {model: tower_of(model, get_model(model).card.architecture) for model in left.passes}
    stored = stored_speeds(store.device_totals(), grid.precision) if store else {}
    print_line(console, _work(left, flops(left.passes, towers)))
    if not any(cell.provisional for cell in plan.cells):
        print_line(console, _here(grid, plan, left, stored, workers))
    estimates = device_estimates(left.passes, towers, stored, grid.precision)
    if estimates:
        console.print(_table(estimates, len(left.passes)))


def _work(left: Effort, operations: float | None) -> str:
    total = left.total
    line = (
        f"to measure: {left.images:,} images, {left.attack_steps:,} attack steps (gradients of one image each); "
        f"with the defenses at most {total.forwards:,} forward and {total.backwards:,} backward passes"
    )
    if operations is not None:
        line += f", {_operations(operations)}"
    if total.text_forwards:
        line += f"; through the text tower {total.text_forwards:,} forward and {total.text_backwards:,} backward passes"
    return line


def _here(grid: Grid, plan: Plan, left: Effort, stored: Mapping[str, Mapping[str, Speed]], workers: int | None) -> str:
    """Say what the plan takes here, by what this machine or a device of its name has measured, else by a probe."""
    # Ray is loaded for it, which takes a second.
    from orchestrator.cluster.capacity import available_cpus

    workers = workers or available_cpus()
    # The name under which a worker of this machine stores what it measures.
    device = device_name(torch.device("cuda")) if torch.cuda.is_available() else "cpu x 1"
    known = stored.get(device, {})
    speeds: dict[str, Speed] = {}
    for span in plan.spans:
        cell = span.cells[0]
        if cell.model.name not in speeds:
            speeds[cell.model.name] = known.get(cell.model.name) or probe_speed(
                cell.model.name, cell.dataset.name, grid.preprocessing
            )
    seconds = compute_seconds(left.passes, speeds)
    shared = f", {_duration(seconds / workers)} on {workers}" if workers > 1 else ""
    origins = ", ".join(f"{model}: {speed.source}" for model, speed in sorted(speeds.items()))
    return f"on one worker of this machine: about {_duration(seconds)} of compute{shared} (speed from {origins})"


def _table(estimates: list[DeviceEstimate], models: int) -> Table:
    bounded = any(estimate.basis == "bound" for estimate in estimates)
    table = Table("compute on one", "takes", "basis", caption=_CAPTION if bounded else None, caption_justify="left")
    for estimate in estimates:
        floor = "at least " if estimate.basis == "bound" else "about "
        basis = f"{_WORDS[estimate.basis]}: {estimate.detail}"
        if estimate.unknown:
            basis += f"; {len(estimate.unknown)} of {models} models left out: {', '.join(estimate.unknown)}"
        table.add_row(estimate.device, f"{floor}{_duration(estimate.seconds)}", basis)
    return table


def _operations(count: float) -> str:
    return f"{count / _PETA:,.0f} PFLOP" if count >= 10 * _PETA else f"{count / _PETA * 1000:,.0f} TFLOP"


def _duration(seconds: float) -> str:
    """Return a duration, in days where it has several."""
    if seconds < 2 * _DAY:
        return format_seconds(seconds)
    return f"{seconds // _DAY:.0f} d {seconds % _DAY // 3600:.0f} h"
