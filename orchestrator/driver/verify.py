"""The audit of a run: some of its stored blocks are computed again, here or on a cluster, and set beside each other."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from orchestrator.cluster.capacity import cluster_capacity
from orchestrator.cluster.options import RunOptions
from orchestrator.cluster.session import ray_session
from orchestrator.driver.display import Display, Reporter
from orchestrator.driver.prepare import prepare
from orchestrator.driver.progress import Progress
from orchestrator.grid.cell import Cell
from orchestrator.grid.schema import parse_grid
from orchestrator.plan.plan import Plan, make_plan
from orchestrator.scheduler.device_speeds import HANG_SECONDS, DeviceSpeeds
from orchestrator.scheduler.scheduler import Scheduler
from orchestrator.scheduler.task_queue import Task, TaskQueue
from orchestrator.scheduler.worker_pool import WorkerCounts
from orchestrator.store import ResultStore
from scc_core.blocks import BlockRanges, num_blocks
from scc_core.environment import Environment, facts_apart
from scc_core.errors import UserError
from scc_core.outcomes import BlockResult, Failure, Measurement, Outcomes

NAMES = ("model", "dataset", "attack", "epsilon_255", "threat_model", "defense", "seed")
_SCHEMA = {
    "block": pl.Int64(),
    "samples": pl.Int64(),
    "predictions_differ": pl.Int64(),
    "margins_differ": pl.Int64(),
    "largest_difference": pl.Float64(),
    "stored_in": pl.String(),
    "computed_in": pl.String(),
    "error": pl.String(),
}


@dataclass(frozen=True)
class Verification:
    """What came of an audit.

    Attributes:
        run: its id.
        blocks: one row per block of a cell that was computed again: the cell's names as in the view ``results``,
            ``cell``, and ``block``; ``samples``; how many ``predictions_differ`` and ``margins_differ``, the latter in
            any bit; the ``largest_difference`` of a margin, in logits; the environments it was ``stored_in`` and
            ``computed_in``; and the ``error`` of a cell that could not be computed, null otherwise.
        stored: how many blocks of cells the run has.
        gone: cells of the run that cannot be computed any more, because the code, the weights or the data are others.
        environments: the facts of every environment that ``blocks`` names, but for those that are unknown.
    """

    run: str
    blocks: pl.DataFrame
    stored: int
    gone: int
    environments: Mapping[str, Mapping[str, Any]]

    @property
    def agrees(self) -> bool:
        """Whether every block could be computed and no prediction differs."""
        return not self.blocks["predictions_differ"].sum() and self.blocks["error"].null_count() == len(self.blocks)

    def environment_differences(self) -> list[str]:
        """Return a line for each pair of a stored and a computed environment that are not the same."""
        known = self.environments
        pairs = self.blocks.drop_nulls("computed_in").select("stored_in", "computed_in").unique(maintain_order=True)
        return [
            f"computed in environment {here}, stored in {stored}: "
            + (", ".join(facts_apart(self.environments[here], known[stored])) if stored in known else "not told")
            for stored, here in pairs.rows()
            if stored != here
        ]

    @property
    def verdict(self) -> str:
        """The outcome in one line."""
        failed = self.blocks["error"].drop_nulls().len()
        samples, margins = (int(self.blocks[name].sum()) for name in ("samples", "margins_differ"))
        predictions = int(self.blocks["predictions_differ"].sum())
        told = f"{predictions} predictions of {samples} differ"
        if margins:
            largest = self.blocks["largest_difference"].drop_nulls().to_numpy().max()
            told += f", {margins} margins by at most {largest:.2g} logits"
        else:
            told += ", no margin differs in any bit"
        parts = [
            f"run {self.run}: {len(self.blocks) - failed} of {self.stored} stored blocks were computed again; {told}"
        ]
        if failed:
            parts.append(f"{failed} blocks could not be computed")
        if self.gone:
            parts.append(f"{self.gone} cells cannot be: their code, weights or data are no longer those of the run")
        return "; ".join(parts)


def verify_run(
    run: str | None, database: str, options: RunOptions, display: Display, *, sample: float = 0.05, seed: int = 0
) -> Verification:
    """Compute a random sample of a run's stored blocks again, and compare every sample's outcome; nothing is stored.

    Args:
        run: its id or the beginning of it; None takes the latest.
        database: URL of the results database, which must exist.
        options: how to use a cluster or this machine.
        display: shows what happens.
        sample: share of the blocks, in (0, 1]. A block is drawn with all cells that share its adversarial images.
        seed: of the draw.

    Raises:
        UserError: no such run, it has no stored block, or nothing of it can be computed any more.
    """
    if not 0 < sample <= 1:
        raise UserError(f"sample is {sample!r}, expected a share of the blocks above 0 and at most 1")
    with ResultStore.open(database, create=False) as store:
        summary = store.run(run)
        grid = parse_grid(summary.grid_text, f"the grid of run {summary.id}")
        prepared = prepare(grid, summary.grid_text, display.notice, stored=True)
        planned = store.run_cells(summary.id)
        cells = {cell: planned[cell.key] for cell in prepared.cells if cell.key in planned}
        if not cells:
            raise UserError(
                f"none of the {len(planned)} cells of run {summary.id} can be computed again: the code, the weights or "
                "the data are no longer those that it was planned with"
            )
        held = {
            key: blocks & BlockRanges.of(range(num_blocks(planned[key])))
            for key, blocks in store.measured_blocks(cell.key for cell in cells).items()
        }
        plan = _plan(cells, held, sample, seed)
        audit = _Audit(store, Progress(plan), display)
        display.say(
            f"run {summary.id}: {plan.missing} of {sum(map(len, held.values()))} stored blocks to compute again"
        )
        with ray_session(options.address), display.reporter(audit.progress) as reporter:
            audit.reporter = reporter
            capacity = cluster_capacity(options, grid.cpu_threads)
            speeds = DeviceSpeeds(options.hang_seconds or HANG_SECONDS)
            Scheduler(TaskQueue(plan), capacity, audit, speeds).run()
        blocks = audit.frame({cell.key: cell for cell in cells})
        stored = sum(len(blocks) for blocks in held.values())
        known = {**store.environments(), **audit.environments}
        return Verification(summary.id, blocks, stored, len(planned) - len(cells), known)


def _plan(cells: Mapping[Cell, int], held: Mapping[str, BlockRanges], sample: float, seed: int) -> Plan:
    """Return the plan to compute a sample of what is held.

    Raises:
        UserError: nothing is held.
    """
    drawable = sorted({(cell.attack_group, block) for cell in cells for block in held.get(cell.key, BlockRanges())})
    if not drawable:
        raise UserError("the run has no stored block to verify")
    drawn = set(random.Random(seed).sample(drawable, max(1, round(sample * len(drawable)))))
    spared = {}
    for cell, samples in cells.items():
        chosen = (block for block in held.get(cell.key, BlockRanges()) if (cell.attack_group, block) in drawn)
        spared[cell.key] = BlockRanges.of(range(num_blocks(samples))) - BlockRanges.of_numbers(chosen)
    return make_plan(cells, lambda keys: {key: spared[key] for key in keys})


@dataclass
class _Audit:
    """Compares what the workers send with what is stored; the scheduler's result handler."""

    store: ResultStore
    progress: Progress
    display: Display
    reporter: Reporter | None = None
    rows: list[dict[str, object]] = field(default_factory=list)
    environments: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def shard_measured(self, worker: int, task: Task, measurement: Measurement) -> set[str]:
        """Compare the results of a shard; no cell is given up."""
        self.rows += self._compared(measurement.results)
        self.progress.add(worker, task.shard.model.name, measurement.results)
        return set()

    def cells_failed(self, failures: dict[str, Failure]) -> None:
        """Note cells that could not be computed."""
        self.rows += [{"cell": cell, "error": failure.error} for cell, failure in failures.items()]
        self.progress.fail(list(failures))

    def workers_counted(self, counts: WorkerCounts) -> None:
        """Show how many workers are in each state."""
        self.progress.worker_counts = counts

    def say(self, line: str) -> None:
        """Tell the user."""
        self.display.say(line)

    def tick(self) -> None:
        """Refresh the display."""
        if self.reporter is not None:
            self.reporter.refresh()

    def _compared(self, results: Sequence[BlockResult]) -> list[dict[str, object]]:
        stored = self.store.stored_blocks({(result.cell, result.block) for result in results})
        return [
            {
                "cell": result.cell,
                "block": result.block,
                "stored_in": stored[result.cell, result.block].environment,
                "computed_in": self._name_of(result.environment),
                **_difference(stored[result.cell, result.block].outcomes, result.outcomes),
            }
            for result in results
        ]

    def _name_of(self, environment: Environment | None) -> str:
        assert environment is not None
        self.environments[environment.short_digest] = environment.facts()
        return environment.short_digest

    def frame(self, cells: Mapping[str, Cell]) -> pl.DataFrame:
        """Return what was compared, with the names of the cells."""
        names = [
            {
                "cell": key,
                "model": cell.model.name,
                "dataset": cell.dataset.name,
                "attack": cell.threat.label,
                "epsilon_255": cell.epsilon_255,
                "threat_model": cell.threat_model,
                "defense": cell.defense.label,
                "seed": cell.threat.seed,
            }
            for key, cell in cells.items()
        ]
        rows = pl.DataFrame(self.rows, schema={"cell": pl.String(), **_SCHEMA})
        return rows.join(pl.DataFrame(names), on="cell").select(*NAMES, "cell", *_SCHEMA).sort(*NAMES, "block")


def _difference(stored: Outcomes, found: Outcomes) -> dict[str, object]:
    if stored.sample_ids.tolist() != found.sample_ids.tolist() or stored.labels.tolist() != found.labels.tolist():
        return {"samples": len(found), "error": "the block holds other samples or labels than the stored one"}
    apart = np.abs(stored.margins.astype(np.float64) - found.margins)
    return {
        "samples": len(found),
        "predictions_differ": int(np.count_nonzero(stored.predictions != found.predictions)),
        "margins_differ": int(np.count_nonzero(stored.margins.view(np.uint32) != found.margins.view(np.uint32))),
        "largest_difference": float(apart.max()),
    }
