"""Runs sent to a real Ray head through its job API, by the installed command."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator

import pytest

from orchestrator.store import ResultStore
from tests.orchestrator.console import sccbench, wait_for, write_grid
from tests.orchestrator.ray_head import RayHead, start_head

pytestmark = pytest.mark.slow
GATE = "tests.components:WaitsForGate"
SMALL = {"defenses": "[none, flip]", "max_samples": "100"}


@pytest.fixture(scope="module")
def head() -> Iterator[RayHead]:
    with start_head() as started:
        yield started


@pytest.fixture
def database(head, tmp_path) -> str:
    """A new database, which the head's file names."""
    url = f"sqlite:///{tmp_path}/cluster.db"
    head.use_database(url)
    return url


def call(head: RayHead, *arguments: str, folder, **extra: str) -> subprocess.CompletedProcess[str]:
    return sccbench(*arguments, folder=folder, **{**head.as_user, "RAY_API_SERVER_ADDRESS": head.jobs, **extra})


def refused(head: RayHead, *arguments: str, folder, **extra: str) -> str:
    """Run a command that must fail with one line and status 2."""
    done = call(head, *arguments, folder=folder, **extra)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    return lines[0]


def known_runs(head: RayHead, folder) -> list[str]:
    return re.findall(r"\d{8}-\d{6}-[0-9a-f]{6}", call(head, "status", folder=folder).stdout)


def test_a_submitted_grid_runs_on_the_head_and_is_seen_from_both_sides(head, database, tmp_path):
    sent = call(head, "submit", str(write_grid(tmp_path, SMALL)), folder=tmp_path)
    assert sent.returncode == 0, sent.stderr
    run = sent.stdout.strip()
    assert f"run {run}: 4 cells in 8 blocks, 0 measured already, 8 to measure" in sent.stderr
    watched = call(head, "status", run, "--watch", folder=tmp_path)
    assert watched.returncode == 0, watched.stdout + watched.stderr
    assert "all cells done" in watched.stdout
    followed = call(head, "logs", run, "--follow", folder=tmp_path)
    assert followed.stdout.splitlines()[-1] == f"run {run}: all cells done"
    assert call(head, "logs", folder=tmp_path).stdout == followed.stdout
    assert "complete" in sccbench("status", run, "--watch", "--db", database, folder=tmp_path).stdout
    with ResultStore.open(database, create=False) as store:
        summary = store.run(run)
        assert (summary.submission, summary.cells_done, summary.samples) == (run, 4, 400)
    ended = call(head, "cancel", run, folder=tmp_path)
    assert f"run {run}: had ended already: complete" in ended.stdout


def test_a_cancelled_run_keeps_its_blocks_and_is_resumed_on_the_head(head, database, tmp_path):
    gate = head.folder / "gate"
    os.mkfifo(gate)
    lines = {"defenses": f"[none, '{GATE}']", "max_samples": "200"}
    # The seed without the gate is measured first or beside it, so that there is something to keep.
    sent = call(head, "submit", str(write_grid(tmp_path, lines)), "--workers", "1", folder=tmp_path)
    assert sent.returncode == 0, sent.stderr
    run = sent.stdout.strip()
    wait_for(lambda: list(head.folder.glob("waiting-*")), "a worker at the gate")
    assert "running" in call(head, "status", run, folder=tmp_path).stdout
    stopped = call(head, "cancel", run, folder=tmp_path)
    assert f"run {run}: cancelled; what was measured is stored" in stopped.stdout, stopped.stdout + stopped.stderr
    assert call(head, "status", run, "--watch", folder=tmp_path).returncode == 130
    with ResultStore.open(database, create=False) as store:
        assert store.run(run).state == "interrupted"
    gate.unlink()
    gate.touch()
    resumed = call(head, "resume", run[:-2], "--address", head.jobs, folder=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout.strip() == run
    assert call(head, "status", run, "--watch", folder=tmp_path).returncode == 0
    with ResultStore.open(database, create=False) as store:
        summary = store.run(run)
    assert (summary.state, summary.submission, summary.cells_done) == ("complete", f"{run}.2", 4)


def test_a_run_with_failed_cells_ends_with_status_1(head, database, tmp_path):
    lines = {"defenses": "[none, 'tests.components:Broken']", "epsilons": "[0]", "max_samples": "50"}
    run = call(head, "submit", str(write_grid(tmp_path, lines)), folder=tmp_path).stdout.strip()
    assert call(head, "status", run, "--watch", folder=tmp_path).returncode == 1
    assert sccbench("status", run, "--watch", "--db", database, folder=tmp_path).returncode == 1


def test_the_users_own_code_travels_in_the_working_directory_and_nothing_secret_with_it(head, database, tmp_path):
    (tmp_path / "mine.py").write_text(
        "import os\n"
        "from pathlib import Path\n"
        "from tests.components import FOLDER, TwoClasses\n\n"
        "def images():\n"
        "    beside = sorted(path.name for path in Path(__file__).parent.iterdir() if path.is_file())\n"
        "    (Path(os.environ[FOLDER]) / 'sent.txt').write_text(' '.join(beside))\n"
        "    return TwoClasses()\n",
        encoding="utf-8",
    )
    for name in (".env", "old.db", ".pgpass", "server.key"):
        (tmp_path / name).write_text("secret", encoding="utf-8")
    grid = str(write_grid(tmp_path, {**SMALL, "datasets": "['mine:images']", "epsilons": "[0]"}))
    before = known_runs(head, tmp_path)
    words = refused(head, "submit", grid, folder=tmp_path)
    assert "'mine:images' lies in this folder, which the cluster does not have: send it with --working-dir ." in words
    assert known_runs(head, tmp_path) == before
    sent = call(head, "submit", grid, "--working-dir", ".", folder=tmp_path)
    assert sent.returncode == 0, sent.stderr
    assert call(head, "status", "--watch", folder=tmp_path).returncode == 0
    assert (head.folder / "sent.txt").read_text(encoding="utf-8") == "grid.yaml mine.py"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ({"defenses": "[sc]"}, "unknown defense 'sc'. Did you mean 'scc'?"),
        ({"models": "[demo-clp]"}, "unknown model 'demo-clp'. Did you mean 'demo-clip'?"),
        ({"sedes": "[1]"}, "unknown key 'sedes'. Did you mean 'seeds'?"),
    ],
)
def test_a_wrong_grid_is_refused_here_and_nothing_is_sent(head, tmp_path, lines, message):
    before = known_runs(head, tmp_path)
    assert message in refused(head, "submit", str(write_grid(tmp_path, lines)), folder=tmp_path)
    assert known_runs(head, tmp_path) == before


def test_a_database_that_the_head_cannot_use_is_told_before_the_run_exists(head, tmp_path):
    grid = str(write_grid(tmp_path, SMALL))
    head.use_database("postgresql://bench@127.0.0.1:9/results")
    assert "the head refuses the run: the database postgresql://bench@127.0.0.1:9/results does not work" in refused(
        head, "submit", grid, folder=tmp_path
    )
    newer = tmp_path / "newer.db"
    ResultStore.open(f"sqlite:///{newer}").close()
    import sqlite3

    with sqlite3.connect(newer) as connection:
        connection.execute("UPDATE scc_bench_version SET version_num = '9999_future'")
    head.use_database(f"sqlite:///{newer}")
    assert "was written by a newer scc-bench" in refused(head, "submit", grid, folder=tmp_path)
    head.use_database("sqlite:///here.db")
    assert "write an absolute path" in refused(head, "submit", grid, folder=tmp_path)


def test_a_head_without_scc_bench_or_with_another_version_is_told(head, database, tmp_path):
    grid = str(write_grid(tmp_path, SMALL))
    settings = tmp_path / "runtime-env.yaml"
    settings.write_text("env_vars: {PATH: '/usr/bin:/bin'}", encoding="utf-8")
    words = refused(head, "submit", grid, "--runtime-env", str(settings), folder=tmp_path)
    assert "the head has no scc-bench on its PATH" in words
    other = tmp_path / "other"
    (other / "scc_bench-9.9.9.dist-info").mkdir(parents=True)
    (other / "scc_bench-9.9.9.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: scc-bench\nVersion: 9.9.9\n"
    )
    path = f"{other}:{os.environ.get('PYTHONPATH', '')}"
    settings.write_text(json.dumps({"env_vars": {"PYTHONPATH": path}}), encoding="utf-8")
    words = refused(head, "submit", grid, "--runtime-env", str(settings), folder=tmp_path)
    assert "the head has scc-bench 9.9.9, the machine that sent the grid scc-bench 0." in words


def test_a_token_that_is_missing_or_wrong_is_told(head, tmp_path):
    grid = str(write_grid(tmp_path, SMALL))
    wrong = tmp_path / "wrong"
    wrong.write_text("0" * 64, encoding="utf-8")
    for variables in ({"RAY_AUTH_TOKEN_PATH": str(wrong)}, {"RAY_AUTH_MODE": "disabled"}):
        assert "asks for the cluster's token" in refused(head, "submit", grid, folder=tmp_path, **variables)
        assert "token" in refused(head, "run", grid, "--address", head.address, folder=tmp_path, **variables)
        assert "token" in refused(head, "run", grid, "--address", head.client, folder=tmp_path, **variables)


@pytest.mark.parametrize("way", ["address", "client"])
def test_a_driver_elsewhere_uses_the_cluster(head, tmp_path, way):
    grid = str(write_grid(tmp_path, SMALL))
    done = sccbench("run", grid, "--address", getattr(head, way), folder=tmp_path, **head.as_user)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all cells done" in done.stdout


def test_an_unknown_run_names_the_latest(head, tmp_path):
    assert "knows no run 'nonsense'" in refused(head, "logs", "nonsense", folder=tmp_path)
    assert "knows no run 'nonsense'" in refused(head, "cancel", "nonsense", folder=tmp_path)
