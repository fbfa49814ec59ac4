"""Ray's own autoscaler adds nodes for a run and takes them away after it."""

from __future__ import annotations

import pytest

from tests.orchestrator.console import PATIENCE, wait_for
from tests.orchestrator.gated import open_gate, outcomes, run_to_the_gate
from tests.orchestrator.ray_nodes import RayNode

NODES = {"small": {"resources": {"CPU": 1}, "node_config": {}, "min_workers": 0, "max_workers": 2}}


@pytest.mark.slow
def test_an_empty_cluster_grows_with_a_run_and_shrinks_after_it(tmp_path, undisturbed):
    head = RayNode(tmp_path, 0, node_types=NODES)
    try:
        process = run_to_the_gate(tmp_path, "--address", head.address, "--devices", "cpu")
        assert head.raylets >= 2
        open_gate(tmp_path)
        text, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, text
        assert outcomes(tmp_path).equals(undisturbed)
        wait_for(lambda: head.raylets == 1, "the end of the idle nodes")
    finally:
        head.stop()
