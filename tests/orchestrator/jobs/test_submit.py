"""Runs sent to a real Ray head through its job API, by the installed command."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from pathlib import Path

import pytest

from orchestrator.store import ResultStore
from tests.orchestrator.console import sccbench, wait_for, write_grid

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
GATE = "tests.components:WaitsForGate"
SMALL = {"defenses": "[none, flip]", "max_samples": "100"}
OWN_DATASET = """
import os
from pathlib import Path
from tests.components import FOLDER, TwoClasses

def images():
    beside = {path.name for path in Path(__file__).parent.iterdir() if path.is_file()}
    # The sender, which checks the grid in its own folder, writes this file, too.
    (Path(os.environ[FOLDER]) / "sent.txt").write_text(" ".join(sorted(beside - {"sent.txt"})))
    return TwoClasses()
"""


@pytest.fixture
def database(head, tmp_path) -> str:
    return f"sqlite:///{tmp_path}/cluster.db"


def known_runs(call) -> set[str]:
    return set(re.findall(r"\d{8}-\d{6}-[0-9a-f]{6}", call("status").stdout))


def test_a_submitted_grid_runs_on_the_head_and_is_seen_from_both_sides(call, database, tmp_path):
    sent = call("submit", str(write_grid(tmp_path, SMALL)))
    assert sent.returncode == 0, sent.stderr
    run = sent.stdout.strip()
    assert f"run {run}: 4 cells in 8 blocks, 0 measured already, 8 to measure" in sent.stderr
    watched = call("status", run, "--watch")
    assert watched.returncode == 0, watched.stdout + watched.stderr
    assert "all cells done" in watched.stdout
    followed = call("logs", run, "--follow")
    assert followed.stdout.splitlines()[-1] == f"run {run}: all cells done"
    assert call("logs").stdout == followed.stdout
    assert "complete" in sccbench("status", run, "--watch", "--db", database, folder=tmp_path).stdout
    with ResultStore.open(database, create=False) as store:
        summary = store.run(run)
    assert (summary.submission, summary.cells_done, summary.samples) == (run, 4, 400)
    assert f"run {run}: had ended already: complete" in call("cancel", run).stdout


def test_a_cancelled_run_keeps_its_blocks_and_is_resumed_on_the_head(head, call, database, tmp_path):
    gate = head.folder / "gate"
    os.mkfifo(gate)
    lines = {"defenses": f"[none, '{GATE}']", "max_samples": "200"}
    sent = call("submit", str(write_grid(tmp_path, lines)), "--workers", "1")
    assert sent.returncode == 0, sent.stderr
    run = sent.stdout.strip()
    wait_for(lambda: list(head.folder.glob("waiting-*")), "a worker at the gate")
    assert "running" in call("status", run).stdout
    stopped = call("cancel", run)
    assert f"run {run}: cancelled; what was measured is stored" in stopped.stdout, stopped.stdout + stopped.stderr
    assert call("status", run, "--watch").returncode == 130
    with ResultStore.open(database, create=False) as store:
        assert store.run(run).state == "interrupted"
    gate.unlink()
    gate.touch()
    resumed = call("resume", run[:-2], "--address", head.jobs)
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout.strip() == run
    assert call("status", run, "--watch").returncode == 0
    with ResultStore.open(database, create=False) as store:
        summary = store.run(run)
    assert (summary.state, summary.submission, summary.cells_done) == ("complete", f"{run}.2", 4)


def test_own_code_travels_in_the_working_directory_and_a_failed_cell_gives_status_1(head, call, refused, tmp_path):
    (tmp_path / "mine.py").write_text(OWN_DATASET, encoding="utf-8")
    for name in (".env", "old.db", ".pgpass", "server.key"):
        (tmp_path / name).write_text("secret", encoding="utf-8")
    lines = {"datasets": "['mine:images']", "defenses": "[none, 'tests.components:Broken']", "epsilons": "[0]"}
    grid = str(write_grid(tmp_path, {**lines, "max_samples": "50"}))
    before = known_runs(call)
    words = refused("submit", grid)
    assert "'mine:images' lies in this folder, which the cluster does not have: send it with --working-dir ." in words
    assert "is code of its own, which --no-plugins refuses" in refused(
        "submit", grid, "--working-dir", ".", "--no-plugins"
    )
    assert known_runs(call) == before
    sent = call("submit", grid, "--working-dir", ".")
    assert sent.returncode == 0, sent.stderr
    assert call("status", "--watch").returncode == 1
    assert (head.folder / "sent.txt").read_text(encoding="utf-8") == "grid.yaml mine.py"


def test_a_wrong_grid_is_refused_here_and_nothing_is_sent(call, refused, tmp_path):
    before = known_runs(call)
    wrong = {
        "unknown defense 'sc'. Did you mean 'scc'?": {"defenses": "[sc]"},
        "unknown model 'demo-clp'. Did you mean 'demo-clip'?": {"models": "[demo-clp]"},
        "unknown key 'sedes'. Did you mean 'seeds'?": {"sedes": "[1]"},
    }
    for message, lines in wrong.items():
        assert message in refused("submit", str(write_grid(tmp_path, lines)))
    assert known_runs(call) == before


def test_a_database_that_the_head_cannot_use_is_told_before_the_run_exists(head, refused, tmp_path):
    grid = str(write_grid(tmp_path, SMALL))
    head.use_database("postgresql://bench@127.0.0.1:9/results")
    words = refused("submit", grid)
    assert "the head refuses the run: the database postgresql://bench@127.0.0.1:9/results does not work" in words
    newer = tmp_path / "newer.db"
    ResultStore.open(f"sqlite:///{newer}").close()
    with sqlite3.connect(newer) as connection:
        connection.execute("UPDATE scc_bench_version SET version_num = '9999_future'")
    head.use_database(f"sqlite:///{newer}")
    assert "was written by a newer scc-bench" in refused("submit", grid)
    with sqlite3.connect(newer) as connection:
        assert connection.execute("SELECT count(*) FROM run").fetchone() == (0,)


def test_a_cluster_without_the_gpus_that_are_asked_for_is_told_before_the_run_exists(call, refused, tmp_path):
    words = refused("submit", str(write_grid(tmp_path, SMALL)), "--devices", "gpu")
    assert "the head refuses the run: --devices gpu needs a GPU, but the Ray cluster has 1 nodes with 2 CPU" in words
    assert words.endswith("take --devices cpu")
    assert (
        "no runs yet"
        in call("status", RAY_API_SERVER_ADDRESS="", SCCBENCH_DB=f"sqlite:///{tmp_path}/cluster.db").stdout
    )


def test_a_head_without_scc_bench_or_with_another_version_is_told(refused, tmp_path):
    grid = str(write_grid(tmp_path, SMALL))
    settings = tmp_path / "runtime-env.yaml"
    settings.write_text("env_vars: {PATH: '/usr/bin:/bin'}", encoding="utf-8")
    words = refused("submit", grid, "--runtime-env", str(settings))
    assert "the head has no scc-bench on its PATH" in words
    settings.write_text(json.dumps({"env_vars": {"PYTHONPATH": _other_version(tmp_path)}}), encoding="utf-8")
    words = refused("submit", grid, "--runtime-env", str(settings))
    assert "the head has scc-bench 9.9.9, the machine that sent the grid scc-bench 0." in words


def test_a_token_that_is_missing_or_wrong_is_told(head, refused, tmp_path):
    grid = str(write_grid(tmp_path, SMALL))
    wrong = tmp_path / "wrong"
    wrong.write_text("0" * 64, encoding="utf-8")
    for variables in ({"RAY_AUTH_TOKEN_PATH": str(wrong)}, {"RAY_AUTH_MODE": "disabled"}):
        assert "asks for the cluster's token" in refused("submit", grid, **variables)
        for address in (head.address, head.client):
            words = refused("run", grid, "--address", address, **variables)
            assert f"the Ray cluster at {address!r} refuses this machine's token: set RAY_AUTH_TOKEN" in words


@pytest.mark.parametrize("way", ["address", "client"])
def test_a_driver_elsewhere_uses_the_cluster(head, call, tmp_path, way):
    done = call("run", str(write_grid(tmp_path, SMALL)), "--address", getattr(head, way))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all cells done" in done.stdout


def test_a_head_continues_a_run_that_it_has_never_seen(head, call, refused, tmp_path):
    lines = {"defenses": "[none, 'tests.components:BrokenOnce']", "epsilons": "[0]", "max_samples": "50"}
    done = call("run", str(write_grid(tmp_path, lines)), "--workers", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    head.use_database(f"sqlite:///{tmp_path}/sccbench.db")
    with ResultStore.open(f"sqlite:///{tmp_path}/sccbench.db", create=False) as store:
        run = store.run().id
    resumed = call("resume", run, "--address", head.jobs)
    assert (resumed.returncode, resumed.stdout.strip()) == (0, run), resumed.stderr
    assert f"run {run}: all 2 cells are measured already; nothing to compute" in resumed.stderr
    assert call("status", run, "--watch").returncode == 0
    assert "no run '20200101-000000-000000'" in refused("resume", "20200101-000000-000000", "--address", head.jobs)


def test_an_unknown_run_is_told(refused):
    assert "knows no run 'nonsense'" in refused("logs", "nonsense")
    assert "knows no run 'nonsense'" in refused("cancel", "nonsense")


def _other_version(folder: Path) -> str:
    """A PYTHONPATH on which this distribution has another version."""
    other = folder / "other"
    described = other / "scc_bench-9.9.9.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: scc-bench\nVersion: 9.9.9\n", encoding="utf-8")
    return f"{other}:{Path(__file__).parents[3]}"
