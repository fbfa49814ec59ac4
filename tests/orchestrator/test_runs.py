"""Whole runs in real Ray: whoever dies, the results are those of an undisturbed run."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
from pathlib import Path

import polars as pl
import pytest

from orchestrator.store import ResultStore
from tests.orchestrator.console import environment, sccbench, start_sccbench, wait_for, write_grid

GATE = "tests.components:WaitsForGate"
GRID = {
    "defenses": f"[none, scc, '{GATE}']",
    "seeds": "[0, 1]",
    # The seed with scc is the heavier one and so runs first; the gate stops the run in the middle.
    "exclude": f"[{{defense: scc, seed: 1}}, {{defense: '{GATE}', seed: 0}}]",
    "max_samples": "800",
}
COLUMNS = ["cell", "position", "sample_id", "label", "prediction"]


def outcomes(folder: Path) -> pl.DataFrame:
    """Every sample of every cell of the database, in one order."""
    with ResultStore.open(f"sqlite:///{folder}/sccbench.db", create=False) as store:
        keys = store.results()["cell"].to_list()
        return store.outcomes(keys).select(COLUMNS).sort(COLUMNS)


def committed_blocks(folder: Path) -> int:
    database = folder / "sccbench.db"
    if not database.exists():
        return 0
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        return int(connection.execute("SELECT count(*) FROM block").fetchone()[0])


def open_gate(folder: Path) -> None:
    (folder / "gate").unlink(missing_ok=True)
    (folder / "gate").touch()


def run_to_the_gate(folder: Path):
    """Start a run and return it once it waits at the gate with part of its blocks committed."""
    os.mkfifo(folder / "gate")
    process = start_sccbench("run", str(write_grid(folder, GRID)), "--workers", "1", folder=folder)
    wait_for(lambda: process.poll() is not None or list(folder.glob("waiting-*")), "a worker at the gate")
    wait_for(lambda: process.poll() is not None or committed_blocks(folder) >= 16, "committed blocks")
    assert process.poll() is None, process.communicate()
    return process


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> pl.DataFrame:
    folder = tmp_path_factory.mktemp("undisturbed")
    open_gate(folder)
    done = sccbench("run", str(write_grid(folder, GRID)), folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all cells done" in done.stdout
    frame = outcomes(folder)
    assert frame.height == 8 * 800
    again = sccbench("run", str(folder / "grid.yaml"), folder=folder)
    assert again.returncode == 0
    assert "all 8 cells are measured already; nothing to compute" in again.stdout
    return frame


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_a_killed_driver_leaves_no_worker_and_resumes_to_the_same_results(tmp_path, undisturbed):
    process = run_to_the_gate(tmp_path)
    worker = int(next(tmp_path.glob("waiting-*")).name.removeprefix("waiting-"))
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
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert re.search(r"run \S+ was interrupted; what was measured is stored, `sccbench resume \S+` continues", text)
    assert "interrupted" in sccbench("status", folder=tmp_path).stdout
    open_gate(tmp_path)
    assert sccbench("resume", folder=tmp_path).returncode == 0
    assert outcomes(tmp_path).equals(undisturbed)


def test_a_killed_worker_is_replaced_and_its_shard_repeated(tmp_path, undisturbed):
    process = run_to_the_gate(tmp_path)
    worker = int(next(tmp_path.glob("waiting-*")).name.removeprefix("waiting-"))
    os.kill(worker, signal.SIGKILL)
    open_gate(tmp_path)
    text, _ = process.communicate(timeout=120)
    assert process.returncode == 0, text
    assert outcomes(tmp_path).equals(undisturbed)


def test_three_workers_of_a_cluster_give_the_results_of_one(tmp_path, undisturbed, ray_head):
    open_gate(tmp_path)
    grid = write_grid(tmp_path, GRID)
    done = sccbench("run", str(grid), "--address", ray_head, "--workers", "3", "--batch-size", "7", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert outcomes(tmp_path).equals(undisturbed)
    with ResultStore.open(f"sqlite:///{tmp_path}/sccbench.db", create=False) as store:
        assert store.results()["devices"].unique().to_list() == ["cpu x 1"]
    workers = sqlite3.connect(tmp_path / "sccbench.db").execute("SELECT count(DISTINCT worker) FROM block")
    assert workers.fetchone()[0] == 3


@pytest.fixture
def ray_head(tmp_path):
    """A cluster of its own with three cores, as an operator starts it."""
    import subprocess
    import sys

    script = str(Path(sys.executable).parent / "ray")
    port = str(_free_port())
    command = [script, "start", "--head", "--port", port, "--num-cpus", "3", "--include-dashboard", "false"]
    command += ["--object-store-memory", "100000000", "--temp-dir", f"/tmp/ray-{os.getpid()}", "--block"]
    log = (tmp_path / "head.log").open("w+")
    process = subprocess.Popen(command, env=environment(tmp_path), stdout=log, stderr=subprocess.STDOUT)
    started = lambda: "Ray runtime started" in (tmp_path / "head.log").read_text()  # noqa: E731
    wait_for(lambda: process.poll() is not None or started(), "the head of the cluster")
    assert process.poll() is None, (tmp_path / "head.log").read_text()
    yield f"127.0.0.1:{port}"
    process.terminate()
    process.wait(timeout=60)


def _free_port() -> int:
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


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
def test_a_defense_that_kills_every_worker_is_given_up(tmp_path):
    grid = write_grid(
        tmp_path, {"defenses": "['tests.components:KillsItsWorker', flip]", "epsilons": "[0]", "max_samples": "50"}
    )
    done = sccbench("run", str(grid), "--workers", "1", folder=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    with ResultStore.open(f"sqlite:///{tmp_path}/sccbench.db", create=False) as store:
        rows = {row["defense"]: row for row in store.results().iter_rows(named=True)}
    assert "3 workers died while measuring this cell's shard" in rows["tests.components:KillsItsWorker"]["error"]
