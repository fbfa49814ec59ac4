"""What blocks took, over every database."""

from __future__ import annotations

import pytest

from orchestrator.store import ResultStore
from scc_core.identity import ModelSpec
from tests.orchestrator.store.builders import make_block, make_blocks, make_cell, make_record


def test_totals_are_summed_by_device_model_and_precision(store: ResultStore) -> None:
    one, seed = make_cell(), make_cell(1)
    other, half = make_cell(model=ModelSpec("rn50", "e" * 64)), make_cell(precision="bfloat16")
    run = store.start_run(make_record(), dict.fromkeys([one, seed, other, half], 130))
    store.write_blocks(run, make_blocks(one, [True] * 130))
    for cell, device in ((seed, "H200"), (seed, "cpu x 1"), (other, "H200"), (half, "H200")):
        store.write_blocks(run, [make_block(cell, number=3 if device != "H200" else 0, device=device)])
    totals = {(row.device, row.model, row.precision): row for row in store.device_totals()}
    assert list(totals) == [
        ("H200", "clip-b16", "bfloat16"),
        ("H200", "clip-b16", "float32"),
        ("H200", "rn50", "float32"),
        ("cpu x 1", "clip-b16", "float32"),
    ]
    # Per sample 2.5 ms, 13 forwards and 11 backwards.
    assert totals["H200", "clip-b16", "float32"][3:] == pytest.approx((180 * 0.0025, 180 * 13, 180 * 11))
    assert totals["cpu x 1", "clip-b16", "float32"][3:] == pytest.approx((50 * 0.0025, 50 * 13, 50 * 11))


def test_a_database_without_measurements_has_no_totals(store: ResultStore) -> None:
    assert store.device_totals() == []
