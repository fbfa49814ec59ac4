"""Cells, blocks and runs with contents that a test chooses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import numpy as np
import polars as pl

from orchestrator.grid.cell import Cell
from orchestrator.store import ResultStore, RunRecord
from scc_core.blocks import BLOCK_SIZE
from scc_core.components.component import Component
from scc_core.cost import Cost
from scc_core.evaluation.threat import Threat
from scc_core.identity import DatasetSpec, ModelSpec
from scc_core.outcomes import BlockResult, Outcomes

_SECONDS = count()


def make_cell(seed: int = 0, **changes: Any) -> Cell:
    """A cell; two of different ``seed`` have different keys. The attack None makes it clean."""
    values: dict[str, Any] = {
        "model": ModelSpec("clip-b16", "d" * 64),
        "dataset": DatasetSpec("cifar10", "1", "test", "v1", "native", "p" * 64, classes=10, size=10_000),
        "attack": Component("attack", "pgd", {"num_steps": 10}, "pgd(num_steps=10)"),
        "epsilon_255": 4.0,
        "defense": Component("defense", "none"),
        "precision": "float32",
        "adaptive": None,
        **changes,
    }
    attack, epsilon, adaptive = (values.pop(name) for name in ("attack", "epsilon_255", "adaptive"))
    return Cell(threat=Threat(attack, (epsilon if attack else 0.0) / 255, adaptive, seed), **values)


def make_outcomes(hits: Sequence[bool], seed: int = 0) -> Outcomes:
    """Outcomes that are correct where ``hits`` says so, and random otherwise."""
    rng = np.random.default_rng(seed)
    correct = np.asarray(hits, dtype=bool)
    labels = rng.integers(0, 10, len(correct)).astype(np.int32)
    return Outcomes(
        sample_ids=rng.permutation(10_000)[: len(correct)].astype(np.int64),
        labels=labels,
        predictions=np.where(correct, labels, (labels + 1) % 10).astype(np.int32),
        margins=(rng.random(len(correct)) * np.where(correct, 5, -5)).astype(np.float32),
        confidences=rng.random(len(correct)).astype(np.float32),
    )


def make_block(
    cell: Cell, number: int = 0, hits: Sequence[bool] = (True,) * BLOCK_SIZE, *, device: str = "H200", seed: int = 0
) -> BlockResult:
    """A block whose costs are round numbers per sample: 2 ms, 10 and 10 for the attack; 0.5 ms, 3 and 1 to defend."""
    samples = len(hits)
    return BlockResult(
        cell=cell.key,
        block=number,
        outcomes=make_outcomes(hits, seed),
        attack=Cost(0.002 * samples, 10 * samples, 10 * samples),
        defense=Cost(0.0005 * samples, 3 * samples, samples),
        device=device,
        worker="host:1",
    )


def make_blocks(cell: Cell, hits: Sequence[bool], *, device: str = "H200") -> list[BlockResult]:
    """The blocks of a dataset with as many samples as ``hits`` is long; the last may be short."""
    starts = range(0, len(hits), BLOCK_SIZE)
    return [
        make_block(cell, number, hits[start : start + BLOCK_SIZE], device=device, seed=number)
        for number, start in enumerate(starts)
    ]


def make_record(name: str = "grid", **changes: Any) -> RunRecord:
    """A record that starts a second later than the one before."""
    values: dict[str, Any] = {
        "name": name,
        "grid_text": "models: [clip-b16]  # as given\n",
        "grid": {"models": ["clip-b16"], "epsilon": [0.5]},
        "code_version": "0.1.0 (abc)",
        "python_version": "3.11.0",
        "packages": {"torch": "2.9"},
        "machine": {"cpu": "x"},
        "host": "driver",
        "pid": 42,
        "started_at": datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=next(_SECONDS)),
    }
    return RunRecord(**{**values, **changes})


def row_of(frame: pl.DataFrame, cell: Cell) -> dict[str, Any]:
    """The one row of a cell."""
    return frame.row(by_predicate=pl.col("cell") == cell.key, named=True)


def start(store: ResultStore, cell: Cell, samples: int) -> str:
    """A run of one cell."""
    return store.start_run(make_record(), {cell: samples})
