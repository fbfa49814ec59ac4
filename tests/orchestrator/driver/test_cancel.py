"""A run is cancelled from another process that reaches no more than its database."""

from __future__ import annotations

import os
import re

import pytest

from orchestrator.store import ResultStore
from tests.orchestrator.console import PATIENCE, sccbench, start_sccbench, wait_for, write_grid
from tests.orchestrator.driver.test_runs import GATE


@pytest.mark.slow
def test_a_run_stops_when_it_is_cancelled_through_its_database(tmp_path):
    os.mkfifo(tmp_path / "gate")
    grid = write_grid(tmp_path, {"defenses": f"[none, '{GATE}']", "max_samples": "200"})
    process = start_sccbench("run", str(grid), "--workers", "1", folder=tmp_path)
    try:
        wait_for(lambda: process.poll() is not None or list(tmp_path.glob("waiting-*")), "a worker at the gate")
        assert process.poll() is None, process.communicate()
        watched = start_sccbench("status", "--watch", folder=tmp_path)
        cancelled = sccbench("cancel", folder=tmp_path)
        assert re.search(r"run \S+: cancelled; its driver stops within seconds; what was measured is", cancelled.stdout)
        text, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 130, text
        assert re.search(r"run \S+ was cancelled; what was measured is stored, `sccbench resume \S+` continues", text)
        shown, _ = watched.communicate(timeout=PATIENCE)
        assert watched.returncode == 130, shown
    finally:
        process.kill()
    assert "had ended already: interrupted" in sccbench("cancel", folder=tmp_path).stdout
    (tmp_path / "gate").unlink()
    (tmp_path / "gate").touch()
    assert sccbench("resume", folder=tmp_path).returncode == 0
    with ResultStore.open(f"sqlite:///{tmp_path}/sccbench.db", create=False) as store:
        assert (store.run().state, store.run().cells_done) == ("complete", 4)
