"""A precision that a worker's device does not have fails the cell in one line; nothing is measured in another one."""

from __future__ import annotations

from orchestrator.plan.plan import make_plan, shards
from tests.orchestrator.grid.test_expand import cells
from workers.bench import Bench


def test_tf32_on_a_cpu_fails_the_cell():
    wanted = cells(precision="tf32", epsilons="[0]", max_samples="50")
    (span,) = make_plan(wanted, lambda _keys: {}).spans
    measurement = Bench("cpu").run(next(shards(span, 1)))
    (failure,) = measurement.failures.values()
    assert (
        failure.error == "UserError: precision tf32 exists on GPUs only, and this is cpu: float32 is what it computes"
    )
    assert not measurement.results
