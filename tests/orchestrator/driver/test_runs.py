"""Whole runs in real Ray: whichever process dies, the results are those of an undisturbed run."""

from __future__ import annotations

import os
import re
import signal
import sqlite3

import pytest

from orchestrator.store import ResultStore
from tests.orchestrator.console import PATIENCE, sccbench, wait_for, write_grid
from tests.orchestrator.gated import GATE as GATE
from tests.orchestrator.gated import alive, at_the_gate, committed_blocks, open_gate, outcomes, run_to_the_gate
from tests.orchestrator.ray_nodes import RayNode


def test_a_killed_driver_leaves_no_worker_and_resumes_to_the_same_results(tmp_path, undisturbed):
    process = run_to_the_gate(tmp_path)
    worker = at_the_gate(tmp_path)[0]
    process.kill()
    process.communicate()
    wait_for(lambda: not alive(worker), "the death of the orphaned worker")
    before = committed_blocks(tmp_path)
    assert 16 <= before < 128
    open_gate(tmp_path)
    done = sccbench("resume", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{before} measured already, {128 - before} to measure" in done.stdout
    assert outcomes(tmp_path).equals(undisturbed)
    assert committed_blocks(tmp_path) == 128
    assert "complete" in sccbench("status", folder=tmp_path).stdout


@pytest.mark.parametrize("sent", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_an_interrupted_run_says_so_and_resumes_to_the_same_results(tmp_path, undisturbed, sent):
    process = run_to_the_gate(tmp_path)
    process.send_signal(sent)
    text, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert re.search(r"run \S+ was interrupted; what was measured is stored, `sccbench resume \S+` continues", text)
    assert "interrupted" in sccbench("status", folder=tmp_path).stdout
    open_gate(tmp_path)
    assert sccbench("resume", folder=tmp_path).returncode == 0
    assert outcomes(tmp_path).equals(undisturbed)


def test_a_killed_worker_is_replaced_and_its_shard_requeued(tmp_path, undisturbed):
    process = run_to_the_gate(tmp_path)
    worker = at_the_gate(tmp_path)[0]
    os.kill(worker, signal.SIGKILL)
    open_gate(tmp_path)
    text, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, text
    assert outcomes(tmp_path).equals(undisturbed)


def test_three_workers_of_a_cluster_give_the_results_of_one(tmp_path, undisturbed, ray_head):
    process = run_to_the_gate(tmp_path, "--address", ray_head.address, "--batch-size", "7", waiting=3)
    open_gate(tmp_path)
    text, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, text
    assert outcomes(tmp_path).equals(undisturbed)
    with ResultStore.open(f"sqlite:///{tmp_path}/sccbench.db", create=False) as store:
        assert store.results()["devices"].unique().to_list() == ["cpu x 1"]
    workers = sqlite3.connect(tmp_path / "sccbench.db").execute("SELECT count(DISTINCT worker) FROM block")
    assert workers.fetchone()[0] == 3


@pytest.fixture
def ray_head(tmp_path):
    """A cluster of its own with three cores, as an operator starts it."""
    head = RayNode(tmp_path, 3)
    yield head
    head.stop()


def test_components_that_fail_fail_their_cells_and_nothing_else(tmp_path):
    names = ["Broken", "BrokenOnce", "KillsItsWorkerOnce"]
    defenses = ", ".join(["none", *(f"'tests.components:{name}'" for name in names)])
    grid = write_grid(tmp_path, {"defenses": f"[{defenses}]", "epsilons": "[0]", "max_samples": "200"})
    done = sccbench("run", str(grid), "--workers", "1", folder=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"run \S+: 1 cells failed: sccbench status", done.stdout)
    with ResultStore.open(f"sqlite:///{tmp_path}/sccbench.db", create=False) as store:
        run = store.run()
        rows = {row["defense"].rpartition(":")[2]: row for row in store.results(run.id).iter_rows(named=True)}
    assert {name: row["status"] for name, row in rows.items()} == {
        "none": "done",
        "Broken": "failed",
        "BrokenOnce": "done",
        "KillsItsWorkerOnce": "done",
    }
    assert rows["Broken"]["error"] == "RuntimeError: this defense is broken"
    assert rows["none"]["correct"] == rows["BrokenOnce"]["correct"] == rows["KillsItsWorkerOnce"]["correct"]
    shown = sccbench("status", run.id, folder=tmp_path).stdout
    assert "this defense is broken" in shown
    assert sccbench("resume", folder=tmp_path).returncode == 1


@pytest.mark.slow
def test_logits_that_are_finite_and_useless_fail_their_cells_and_nothing_else(tmp_path):
    defenses = "[none, 'tests.components:Useless']"
    grid = write_grid(tmp_path, {"defenses": defenses, "epsilons": "[0]", "max_samples": "100"})
    done = sccbench("run", str(grid), "--workers", "1", folder=tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stdout + done.stderr
    for command in ("run", "resume"):
        with ResultStore.open(f"sqlite:///{tmp_path}/sccbench.db", create=False) as store:
            rows = {row["defense"].rpartition(":")[2]: row for row in store.results().iter_rows(named=True)}
        assert {name: row["status"] for name, row in rows.items()} == {"none": "done", "Useless": "failed"}, command
        assert "gave logits from -3e+38 to 3e+38 on sample" in rows["Useless"]["error"]
        assert sccbench("resume", folder=tmp_path).returncode == 1


@pytest.mark.slow
def test_a_defense_that_kills_every_worker_fails(tmp_path):
    grid = write_grid(
        tmp_path, {"defenses": "['tests.components:KillsItsWorker', flip]", "epsilons": "[0]", "max_samples": "50"}
    )
    done = sccbench("run", str(grid), "--workers", "1", folder=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    with ResultStore.open(f"sqlite:///{tmp_path}/sccbench.db", create=False) as store:
        rows = {row["defense"]: row for row in store.results().iter_rows(named=True)}
    assert "3 workers died while measuring this cell's shard" in rows["tests.components:KillsItsWorker"]["error"]
