"""Stores filled with hits that a test chooses, or by a real evaluation without Ray."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from orchestrator.grid.cell import Cell
from orchestrator.grid.expand import expand
from orchestrator.grid.schema import parse_grid
from orchestrator.plan.plan import make_plan, shards
from orchestrator.store import ResultStore
from scc_core.components.component import Component
from tests.orchestrator.store.builders import make_blocks, make_cell, make_record
from workers.bench import Bench


def attack(name: str, **parameters: Any) -> Component:
    """An attack with every parameter resolved, which its label does not show."""
    return replace(Component("attack", name, parameters).resolved(), label=name)


def defense(name: str, **parameters: Any) -> Component:
    """A defense with every parameter resolved, which its label does not show."""
    return replace(Component("defense", name, parameters).resolved(), label=name)


def clean(**changes: Any) -> Cell:
    """A cell of clean images."""
    return make_cell(attack=None, **changes)


def first_right(number: int, samples: int = 200) -> list[bool]:
    """Hits of which the first ``number`` are right."""
    return [True] * number + [False] * (samples - number)


def fill(store: ResultStore, measured: Mapping[Cell, Sequence[bool]], zero_gradients: int | None = 0) -> str:
    """Store a run of these hits; of attacks that compute gradients ``zero_gradients`` samples had none. Return it."""
    run = store.start_run(make_record(), {cell: len(hits) for cell, hits in measured.items()})
    for cell, hits in measured.items():
        first, *later = make_blocks(cell, hits)
        if cell.threat.label in ("square", "none"):
            store.write_blocks(run, [first, *later])
        else:
            rest = [replace(block, zero_gradients=0) for block in later]
            store.write_blocks(run, [replace(first, zero_gradients=zero_gradients), *rest])
    return run


def evaluate_grid(store: ResultStore, text: str, *, stored: bool = False) -> str:
    """Measure a grid in this process, as of an earlier version if it is ``stored``; return the run."""
    cells = expand(parse_grid(text, "the test"), stored=stored)
    run = store.start_run(make_record(grid_text=text), cells)
    bench = Bench("cpu")
    for span in make_plan(cells, store.measured_blocks).spans:
        for shard in shards(span, 8):
            measurement = bench.run(shard)
            assert not measurement.failures
            store.write_blocks(run, measurement.results)
    return run
