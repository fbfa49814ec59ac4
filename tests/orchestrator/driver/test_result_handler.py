"""What the driver does with the results of a shard of which some cannot be stored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.driver.progress import Progress
from orchestrator.driver.result_handler import RunResultHandler
from orchestrator.plan.plan import make_plan, shards
from orchestrator.scheduler.lease_manager import NoLeases
from orchestrator.store import ResultStore
from orchestrator.writing.reconnect import DatabaseConnection
from orchestrator.writing.spool import spool_of
from orchestrator.writing.writer import Writer
from scc_core.machine.settings import CACHE
from scc_core.outcomes import Measurement
from tests.orchestrator.store.builders import make_block, make_cell, make_record


class Leases(NoLeases):
    """Remembers which cells need no lease any more."""

    def __init__(self) -> None:
        self.failed: list[set[str]] = []

    def cells_failed(self, cells: Any) -> None:
        self.failed.append(set(cells))


class TaskOf:
    """As much of a task as the handler reads."""

    def __init__(self, shard: Any) -> None:
        self.shard = shard


def test_a_cell_of_which_a_block_cannot_be_stored_counts_as_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE.name, str(tmp_path / "cache"))
    good, bad = make_cell(0), make_cell(1)
    plan = make_plan({good: 100, bad: 100}, lambda _keys: {})
    shard = next(shards(plan.spans[0], 2))
    with ResultStore.open(str(tmp_path / "results.db")) as store:
        run, said = store.start_run(make_record(), {good: 100, bad: 100}), []
        connection = DatabaseConnection(store, said.append, "results wait")
        writer = Writer(run, store, spool_of(store.url, run), connection, said.append)
        progress, leases, reporter = Progress(plan), Leases(), Any
        handler = RunResultHandler(run, store, connection, writer, leases, progress, reporter, said.append)
        block = make_block(bad, 1)
        nan = replace(block, outcomes=replace(block.outcomes, margins=np.full(50, np.nan, np.float32)))
        results = [make_block(good, 0), make_block(good, 1), make_block(bad, 0), nan]
        assert handler.shard_measured(0, TaskOf(shard), Measurement(results)) == {bad.key}
        assert (progress.failed_cells, progress.cells_done, leases.failed) == ({bad.key}, 1, [{bad.key}])
        assert handler.shard_measured(0, TaskOf(shard), Measurement([make_block(bad, 0)])) == set()
        # What only the database refuses is found when it is written.
        writer.add([make_block(good, 0)])
        writer._collected[-1] = writer._collected[-1]._replace(hits="1", number=5)
        writer.finish()
        assert handler.count_unstorable() == {good.key}
        assert (progress.failed_cells, store.run(run).cells_failed) == ({good.key, bad.key}, 1)
