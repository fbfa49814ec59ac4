"""The scale measurement: its grid, its pretend workers and its arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.scale import workload
from benchmarks.scale.pretend import PretendResources, PretendWorker
from benchmarks.scale.report import blocks_per_second, overhead, table
from orchestrator.plan.plan import make_plan, shards
from orchestrator.store import block_rows
from scc_core.blocks import BlockRanges

ROW = {
    "database": "sqlite",
    "blocks": 10_000,
    "workers": 64,
    "pause": 0.0,
    "seconds": {"open": 9.0, "plan": 1.0, "start": 0.5, "workers": 60.0, "measure": 3.0, "badges": 0.5},
    "driver_cpu_seconds": 1.5,
    "peak_mib": {"plan": 600.0, "workers": 700.0, "measure": 730.0, "badges": 720.0},
    "private_mib": {"workers": 300.0, "measure": 340.0, "badges": 330.0},
    "load_average_start": 0.0,
    "load_average_end": 2.0,
}


@pytest.mark.parametrize("blocks", [10_000, 1_000_000])
def test_a_grid_has_a_thousand_cells_and_as_many_blocks_as_asked_for(blocks):
    plan = make_plan(workload.grid(blocks), lambda _keys: {})
    assert (len(plan.cells), plan.missing, plan.measured) == (1000, blocks, 0)
    assert len(plan.spans) == 100
    assert {len(span.cells) for span in plan.spans} == {10}


def test_blocks_that_cannot_be_shared_out_are_refused():
    with pytest.raises(ValueError, match="1500 blocks cannot be shared out to 1000 cells"):
        workload.grid(1500)


def test_cells_with_a_pause_share_no_attack():
    plan = make_plan(workload.lone_cells(64, 2048), lambda keys: {key: BlockRanges() for key in keys})
    assert [(len(span.cells), len(span.blocks)) for span in plan.spans] == [(1, 32)] * 64


def test_a_pretend_worker_answers_each_block_of_each_cell_with_arrays_of_its_own():
    (span, *_) = make_plan(workload.grid(10_000), lambda _keys: {}).spans
    shard = next(shards(span, 4))
    results = PretendWorker(PretendResources()).run(shard).results
    assert [(result.block, result.cell) for result in results] == [
        (block, cell) for block in shard.blocks for cell in shard.defenses
    ]
    assert len(block_rows(results)) == 40
    one, other = results[0].outcomes, results[1].outcomes
    assert not np.shares_memory(one.margins, other.margins)
    assert not np.array_equal(one.margins, other.margins)


def test_the_rate_is_end_to_end_and_the_overhead_is_beyond_the_pauses():
    assert blocks_per_second(ROW) == 10_000 / 5.0
    paused = {**ROW, "blocks": 2048, "pause": 1.0, "seconds": {**ROW["seconds"], "measure": 32.32}}
    assert overhead(paused) == pytest.approx(0.01)
    text = table([ROW, paused])
    assert "| sqlite | 10,000 | 1.00 | 3.0 | 0.5 | 2,000 | 150 | 730 | 340 | 300 | 0.0 to 2.0 |" in text
    assert "2,048 blocks of 1 s on 64 workers took 32.32 s, 1.0% more than 32 s" in text
