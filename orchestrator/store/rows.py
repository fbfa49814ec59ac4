"""From the program's objects to rows of the tables, and back."""

from __future__ import annotations

import dataclasses
import math
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from orchestrator.identity import Cell
from orchestrator.store.packing import hits, pack
from orchestrator.store.records import RunRecord, RunSummary
from scc_core.outcomes import BLOCK_SIZE, BlockResult

RECORD_FIELDS = tuple(field.name for field in dataclasses.fields(RunRecord))

COUNTS = {
    "cells": "count(*)",
    "cells_done": "sum(CASE WHEN status = 'done' THEN 1 ELSE 0 END)",
    "cells_failed": "sum(CASE WHEN status = 'failed' THEN 1 ELSE 0 END)",
    "samples": "sum(samples)",
    "requested_samples": "sum(requested_samples)",
}
"""How the counts of a summary are computed from the cells of the run."""

STATE_FIELDS = ("id", "heartbeat_at", "finished_at", "outcome")


def new_run_id(started_at: datetime) -> str:
    """Return a new id that sorts by the start: date, time, then milliseconds and three random digits."""
    moment = started_at.astimezone(UTC)
    milliseconds = moment.microsecond // 1000
    return f"{moment:%Y%m%d-%H%M%S}-{milliseconds:03d}{secrets.randbelow(16**3):03x}"


def run_row(run_id: str, record: RunRecord) -> dict[str, Any]:
    """Return the row of table ``run`` for a run that starts."""
    row = {name: getattr(record, name) for name in RECORD_FIELDS}
    mappings = {name: dict(row[name]) for name in ("grid", "packages", "machine", "devices")}
    left_out = {name: [list(entry) for entry in entries] for name, entries in record.left_out.items()}
    return {**row, **mappings, "left_out": left_out, "id": run_id, "heartbeat_at": record.started_at}


def cell_row(cell: Cell, created_at: datetime) -> dict[str, Any]:
    """Return the row of table ``cell``.

    Raises:
        ValueError: a part of it is not on this machine, so that its key names nothing.
    """
    if cell.provisional:
        raise ValueError(f"cell of {cell.model.name} on {cell.dataset.name} is provisional and cannot be stored")
    return {
        "key": cell.key,
        "model": cell.model.name,
        "dataset": cell.dataset.name,
        "attack": cell.attack.label,
        "epsilon_255": cell.epsilon_255,
        "threat_model": cell.threat_model,
        "defense": cell.defense.label,
        "seed": cell.seed,
        "precision": cell.precision,
        "preprocessing": cell.dataset.preprocessing,
        "classes": cell.dataset.classes,
        "demonstration": cell.model.demonstration or cell.dataset.demonstration,
        "attack_group": cell.attack_group,
        "specification": cell.specification(),
        "created_at": created_at,
    }


def block_row(result: BlockResult, cell_id: int, run_id: str, created_at: datetime) -> dict[str, Any]:
    """Return the row of table ``block``.

    Raises:
        ValueError: the block is empty, too long or holds a sum or a peak that is not finite.
    """
    outcomes = result.outcomes
    if not 1 <= len(outcomes) <= BLOCK_SIZE:
        raise ValueError(f"{_name(result)} holds {len(outcomes)} samples, expected 1 to {BLOCK_SIZE}")
    packed, hit_text = pack(outcomes), hits(outcomes)
    sums: dict[str, float | None] = {
        "sum_confidence": float(outcomes.confidences.sum(dtype=float)),
        "sum_margin": float(outcomes.margins.sum(dtype=float)),
        "attack_seconds": result.attack.seconds,
        "defense_seconds": result.defense.seconds,
    }
    peaks = {
        "attack_peak_memory_mib": result.attack.peak_memory_mib,
        "defense_peak_memory_mib": result.defense.peak_memory_mib,
    }
    for name, value in {**sums, **peaks}.items():
        if value is not None and not math.isfinite(value):
            raise ValueError(f"{name} of {_name(result)} is {value}, expected a finite number")
    return {
        "cell_id": cell_id,
        "number": result.block,
        "samples": len(outcomes),
        "correct": hit_text.count("1"),
        "hits": hit_text,
        **sums,
        **peaks,
        "zero_gradients": result.zero_gradients,
        "attack_forwards": result.attack.forwards,
        "attack_backwards": result.attack.backwards,
        "defense_forwards": result.defense.forwards,
        "defense_backwards": result.defense.backwards,
        "device": result.device,
        "worker": result.worker,
        "run_id": run_id,
        "created_at": created_at,
        "outcomes": packed,
    }


def run_summary(run: Mapping[str, Any], counts: Mapping[str, Any]) -> RunSummary:
    """Return the summary of a row of table ``run`` and its counts over ``run_results``."""
    values: dict[str, Any] = {name: run[name] for name in (*RECORD_FIELDS, *STATE_FIELDS)}
    values.update({name: int(counts[name] or 0) for name in COUNTS})
    return RunSummary(**values)


def _name(result: BlockResult) -> str:
    return f"block {result.block} of cell {result.cell[:12]}"
