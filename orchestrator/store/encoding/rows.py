"""Rows of the tables from the program's objects, and summaries of runs from rows."""

from __future__ import annotations

import dataclasses
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np

from orchestrator.grid.cell import Cell
from orchestrator.grid.code import code_label
from orchestrator.store.encoding.checks import check_outcomes, check_place, check_row, name_of
from orchestrator.store.encoding.packing import hits, pack, unpack
from orchestrator.store.records import RunRecord, RunSummary
from orchestrator.store.schema.tables import EnvironmentRow
from scc_core.blocks import BLOCK_SIZE
from scc_core.identity import DatasetSpec
from scc_core.outcomes import BlockResult, Failure

RECORD_FIELDS = tuple(field.name for field in dataclasses.fields(RunRecord))

COUNTS = {
    "cells": "count(*)",
    "cells_done": "sum(CASE WHEN status = 'done' THEN 1 ELSE 0 END)",
    "cells_failed": "sum(CASE WHEN status = 'failed' THEN 1 ELSE 0 END)",
    "samples": "sum(samples)",
    "requested_samples": "sum(requested_samples)",
}
"""How the counts of a summary are computed from the cells of the run."""

LONGEST_TEXT = 20_000
"""Characters of an error or a traceback, so that what a component puts into its message fills no database."""

ENVIRONMENT_FACTS = tuple(
    column.name
    for column in EnvironmentRow.__table__.columns
    if column.name not in ("id", "digest", "facts", "created_at")
)

_RUN_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")

STATE_FIELDS = ("id", "heartbeat_at", "finished_at", "outcome")


def new_run_id(started_at: datetime) -> str:
    """Return a new id, which sorts by the start: date, time, then milliseconds and three random digits."""
    moment = started_at.astimezone(UTC)
    milliseconds = moment.microsecond // 1000
    return f"{moment:%Y%m%d-%H%M%S}-{milliseconds:03d}{secrets.randbelow(16**3):03x}"


def is_run_id(text: str) -> bool:
    """Tell whether ``text`` is a complete id in the form of :func:`new_run_id`."""
    return _RUN_ID.fullmatch(text) is not None


def run_row(run_id: str, record: RunRecord) -> dict[str, Any]:
    """Return the row of table ``run`` for a run that starts."""
    row = {name: getattr(record, name) for name in RECORD_FIELDS}
    mappings = {name: dict(row[name]) for name in ("grid", "packages", "machine")}
    left_out = {name: [list(entry) for entry in entries] for name, entries in record.left_out.items()}
    warnings = {name: list(lines) for name, lines in record.warnings.items()}
    texts = {"left_out": left_out, "warnings": warnings}
    return {**row, **mappings, **texts, "id": run_id, "heartbeat_at": record.started_at}


def cell_row(cell: Cell, created_at: datetime) -> dict[str, Any]:
    """Return the row of table ``cell``.

    Raises:
        ValueError: the cell is provisional: a part of it is not on this machine, so its key is unknown.
    """
    if cell.provisional:
        raise ValueError(f"cell of {cell.model.name} on {cell.dataset.name} is provisional and cannot be stored")
    return {
        "key": cell.key,
        "model": cell.model.name,
        "dataset": cell.dataset.name,
        "attack": cell.threat.label,
        "epsilon_255": cell.epsilon_255,
        "threat_model": cell.threat_model,
        "defense": cell.defense.label,
        "seed": cell.threat.seed,
        "precision": cell.precision,
        "preprocessing": cell.dataset.preprocessing,
        "classes": cell.dataset.classes,
        "demonstration": cell.model.demonstration or cell.dataset.demonstration,
        "attack_group": cell.attack_group,
        "specification": cell.specification(),
        "code": code_label(cell.specification()),
        "created_at": created_at,
        **cell_facts(cell),
    }


def cell_facts(cell: Cell) -> dict[str, Any]:
    """Return what the cell's defense, model and attack say of themselves; None where that is not known."""
    return {
        "control": cell.defense.control,
        "family": cell.model.family,
        "randomised": cell.defense.randomised,
        "norm": cell.norm,
    }


class BlockRow(NamedTuple):
    """A row of table ``block`` without ids of the database.

    It has the key of its cell, the digest of its environment if one is known, and no run.
    """

    cell: str
    number: int
    samples: int
    correct: int
    hits: str
    sum_confidence: float
    sum_margin: float
    zero_gradients: int | None
    attack_seconds: float
    attack_forwards: int
    attack_backwards: int
    attack_peak_memory_mib: float | None
    defense_seconds: float
    defense_forwards: int
    defense_backwards: int
    defense_peak_memory_mib: float | None
    device: str
    worker: str
    created_at: datetime
    outcomes: bytes
    environment: str | None = None


Environments = Mapping[str, Mapping[str, Any]]
"""By the digest of an environment, its facts as :meth:`~scc_core.environment.Environment.facts` tells them."""


def block_rows(results: Iterable[BlockResult]) -> list[BlockRow]:
    """Return the rows of table ``block``, all with the present time.

    Raises:
        ValueError: a block cannot be stored.
    """
    now = datetime.now(UTC)
    return [block_row(result, now) for result in results]


def storable_rows(
    results: Iterable[BlockResult], dataset: DatasetSpec | None = None
) -> tuple[list[BlockRow], dict[str, Failure]]:
    """Return the rows of the blocks that can be stored, and by the keys of the others' cells why theirs cannot.

    Args:
        results: blocks, as a worker sent them.
        dataset: of all the blocks; None where it is not known.
    """
    now = datetime.now(UTC)
    rows: list[BlockRow] = []
    failures: dict[str, Failure] = {}
    for result in results:
        try:
            rows.append(block_row(result, now, dataset))
        # What is wrong with a block may show in any way. It is stored as the reason why its cell failed.
        except Exception as error:
            failures[result.cell] = Failure.of(error)
    return rows, failures


def block_row(result: BlockResult, created_at: datetime, dataset: DatasetSpec | None = None) -> BlockRow:
    """Return the row of table ``block``.

    Raises:
        ValueError: the block cannot be stored, see :mod:`orchestrator.store.encoding.checks`.
    """
    outcomes, attack, defense = result.outcomes, result.attack, result.defense
    name, samples = name_of(result), len(outcomes)
    if not 1 <= samples <= BLOCK_SIZE:
        raise ValueError(f"{name} holds {samples} samples, expected 1 to {BLOCK_SIZE}")
    packed, hit_text = pack(outcomes), hits(outcomes)
    with np.errstate(invalid="ignore"):
        sum_margin = float(outcomes.margins.sum(dtype=float))
    row = BlockRow(
        cell=result.cell,
        number=result.block,
        samples=samples,
        correct=hit_text.count("1"),
        hits=hit_text,
        sum_confidence=float(outcomes.confidences.sum(dtype=float)),
        sum_margin=sum_margin,
        zero_gradients=result.zero_gradients,
        attack_seconds=attack.seconds,
        attack_forwards=attack.forwards,
        attack_backwards=attack.backwards,
        attack_peak_memory_mib=attack.peak_memory_mib,
        defense_seconds=defense.seconds,
        defense_forwards=defense.forwards,
        defense_backwards=defense.backwards,
        defense_peak_memory_mib=defense.peak_memory_mib,
        device=result.device,
        worker=result.worker,
        created_at=created_at,
        outcomes=packed,
        environment=None if result.environment is None else result.environment.digest,
    )
    check_row(row)
    check_outcomes(outcomes, None if dataset is None else dataset.classes, name)
    if dataset is not None:
        check_place(row, dataset)
    return row


def environments_of(results: Sequence[BlockResult]) -> Environments:
    """Return the environments of blocks."""
    found = dict.fromkeys(result.environment for result in results)
    return {environment.digest: environment.facts() for environment in found if environment is not None}


def environment_row(digest: str, facts: Mapping[str, Any], created_at: datetime) -> dict[str, Any]:
    """Return the row of table ``environment``."""
    columns = {name: facts[name] for name in ENVIRONMENT_FACTS}
    return {**columns, "digest": digest, "facts": dict(facts), "created_at": created_at}


def storable_text(text: str) -> str:
    """Return a text that both databases hold: no NUL, no lone surrogate, at most :data:`LONGEST_TEXT` characters."""
    clean = text.replace("\0", "\\0").encode(errors="backslashreplace").decode()
    if len(clean) <= LONGEST_TEXT:
        return clean
    half = LONGEST_TEXT // 2
    return f"{clean[:half]} [...] {clean[-half:]}"


def check_stored_row(row: BlockRow) -> None:
    """Check a row that another process made, such as one of an earlier version.

    Raises:
        ValueError: it cannot be stored.
    """
    check_row(row)
    outcomes = unpack(row.outcomes)
    check_outcomes(outcomes, None, name_of(row))
    if hits(outcomes) != row.hits:
        raise ValueError(f"the outcomes of {name_of(row)} are not those of its hits")


def run_summary(run: Mapping[str, Any], counts: Mapping[str, Any]) -> RunSummary:
    """Return the summary of a row of table ``run`` and its counts over ``run_results``."""
    values: dict[str, Any] = {name: run[name] for name in (*RECORD_FIELDS, *STATE_FIELDS)}
    values.update({name: int(counts[name] or 0) for name in COUNTS})
    return RunSummary(**values)
