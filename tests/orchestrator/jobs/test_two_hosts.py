"""A head and a worker on two hosts, with a token: a run over both, and a worker without the token kept out."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from orchestrator.store import ResultStore
from tests.orchestrator.console import PATIENCE, SCRIPT, environment, sccbench, wait_for, write_grid
from tests.orchestrator.driver.test_runs import GATE, outcomes
from tests.orchestrator.jobs.ray_head import BIN, TOKEN, release
from tests.orchestrator.jobs.two_hosts import Host, joined_namespaces, refusal

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
SECOND = "second-host"
ATTEMPTS = 3
"""Ray gives up on a node that takes more than 30 s to start, which happens on a busy machine."""
GRID = {"defenses": f"[none, '{GATE}']", "epsilons": "[0]", "max_samples": "800"}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that both hosts see, which /tmp is not."""
    path = Path(tempfile.mkdtemp(prefix="sccnet-", dir="/var/tmp"))
    (path / "token").write_text(TOKEN, encoding="utf-8")
    (path / "wrong").write_text("0" * 64, encoding="utf-8")
    yield path
    shutil.rmtree(path, ignore_errors=True)


@contextmanager
def ray_start(
    host: Host, folder: Path, name: str, *options: str, **variables: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``ray start --block`` on a host until the end of the block."""
    command = host.command(str(BIN / "ray"), "start", "--block", "--disable-usage-stats", "--num-cpus", "1", *options)
    command += ["--node-ip-address", host.address, "--object-store-memory", "100000000"]
    command += ["--min-worker-port", "0", "--max-worker-port", "0", "--dashboard-agent-listen-port", "0"]
    log = (folder / f"{name}.log").open("wb")
    process = subprocess.Popen(
        command,
        env={**environment(folder), **variables},
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def started(process: subprocess.Popen[bytes], log: Path) -> bool:
    """Wait until Ray says that it runs (True) or ends (False)."""
    wait_for(lambda: process.poll() is not None or "Ray runtime started" in log.read_text(), log.stem)
    return process.poll() is None


def check(first: Host, second: Host, port: str, folder: Path, names: set[str]) -> None:
    """Start a cluster of the two hosts, keep out whoever has no token, and compare a run over both with one here."""
    let_in = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(folder / "token")}
    strangers = {
        "without": {"RAY_AUTH_MODE": "disabled"},
        "wrong": {**let_in, "RAY_AUTH_TOKEN_PATH": str(folder / "wrong")},
    }
    session = tempfile.mkdtemp(prefix="sccray-", dir="/tmp")
    address = f"{first.address}:{port}"
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, session, ignore_errors=True)
        head = ("--head", "--port", port, "--include-dashboard", "false", "--temp-dir", session)
        assert started(stack.enter_context(ray_start(first, folder, "head", *head, **let_in)), folder / "head.log")
        for name, variables in strangers.items():
            with ray_start(second, folder, name, "--address", address, **variables) as stranger:
                assert not started(stranger, folder / f"{name}.log")
                assert stranger.returncode != 0
                assert "oken" in (folder / f"{name}.log").read_text(), (folder / f"{name}.log").read_text()
        for attempt in range(ATTEMPTS):
            name = f"worker-{attempt}"
            worker = stack.enter_context(ray_start(second, folder, name, "--address", address, **let_in))
            if started(worker, folder / f"{name}.log"):
                break
        assert worker.poll() is None, (folder / f"{name}.log").read_text()
        os.mkfifo(folder / "gate")
        grid = write_grid(folder, GRID)
        run = subprocess.Popen(
            first.command(str(SCRIPT), "run", str(grid), "--address", address),
            cwd=folder,
            env={**environment(folder), **let_in},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        stack.callback(run.kill)
        # Both hosts hold a shard of the gated defense before the gate opens.
        wait_for(lambda: run.poll() is not None or len(list(folder.glob("waiting-*"))) == 2, "a worker on each host")
        release(folder)
        text, _ = run.communicate(timeout=PATIENCE)
    assert run.returncode == 0, text
    with sqlite3.connect(folder / "sccbench.db") as connection:
        workers = {row[0].rpartition(":")[0] for row in connection.execute("SELECT DISTINCT worker FROM block")}
    assert workers == names
    alone = folder / "alone"
    alone.mkdir()
    (alone / "gate").touch()
    done = sccbench("run", str(write_grid(alone, GRID)), folder=alone)
    assert done.returncode == 0, done.stdout + done.stderr
    assert outcomes(folder).equals(outcomes(alone))
    with ResultStore.open(f"sqlite:///{folder}/sccbench.db", create=False) as store:
        assert store.run().state == "complete"


def test_a_run_over_two_network_namespaces_and_a_stranger_kept_out(folder):
    if reason := refusal():
        pytest.skip(reason)
    with joined_namespaces(SECOND) as (first, second):
        check(first, second, "6379", folder, {socket.gethostname(), SECOND})


def test_the_same_on_two_ports_where_namespaces_are_refused(folder):
    if refusal() is None:
        pytest.skip("this machine gives namespaces, which the other test uses")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = str(listener.getsockname()[1])
    here = Host(socket.gethostbyname(socket.gethostname()))
    check(here, here, port, folder, {socket.gethostname()})
