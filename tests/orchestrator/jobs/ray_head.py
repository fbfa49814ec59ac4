"""A Ray head as an operator starts it: its own folder and ports, a token, the dashboard on loopback."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.orchestrator.console import environment, wait_for

TOKEN = "5eedf00d" * 8
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class RayHead:
    """A running head.

    Attributes:
        folder: where its session and the tests' own files lie.
        address: of the cluster, ``HOST:PORT``.
        client: of Ray's client server, ``ray://HOST:PORT``.
        jobs: of the job API, ``http://HOST:PORT``.
        pid: of its process group.
    """

    folder: Path
    address: str
    client: str
    jobs: str
    pid: int

    @property
    def token_file(self) -> Path:
        return self.folder / "token"

    @property
    def database_file(self) -> Path:
        """The file that holds the database's URL, read at every run."""
        return self.folder / "database-url"

    def use_database(self, url: str) -> None:
        self.database_file.write_text(url + "\n", encoding="utf-8")

    @property
    def as_user(self) -> dict[str, str]:
        """What a user sets to be let in."""
        return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(self.token_file)}


@contextmanager
def start_head(variables: Mapping[str, str] | None = None, num_cpus: int = 2) -> Iterator[RayHead]:
    """Start a head and stop it, its workers and its files at the end."""
    # Ray's sockets lie below this folder, and their paths may have no more than 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="sccray-", dir="/tmp"))
    port, client, dashboard = (str(_free_port()) for _ in range(3))
    for name, text in (("token", TOKEN), ("database-url", f"sqlite:///{folder}/results.db\n")):
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).chmod(0o600)
    command = [str(BIN / "ray"), "start", "--head", "--block", "--disable-usage-stats", "--num-cpus", str(num_cpus)]
    command += ["--port", port, "--ray-client-server-port", client, "--temp-dir", str(folder / "ray")]
    command += ["--dashboard-host", "127.0.0.1", "--dashboard-port", dashboard, "--dashboard-agent-listen-port", "0"]
    command += ["--min-worker-port", "0", "--max-worker-port", "0", "--object-store-memory", "100000000"]
    started = {
        **environment(folder),
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(folder / "token"),
        "SCCBENCH_DB_FILE": str(folder / "database-url"),
        **(variables or {}),
    }
    log = folder / "head.log"
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=started, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        wait_for(lambda: process.poll() is not None or "Ray runtime started" in log.read_text(), "the head")
        assert process.poll() is None, log.read_text()
        # Ray's client server listens on the machine's own address alone, whatever the head is told.
        own = re.findall(r"Local node IP\S*: \S*?([\d.]+\d)", log.read_text(encoding="utf-8"))[0]
        addresses = (f"127.0.0.1:{port}", f"ray://{own}:{client}", f"http://127.0.0.1:{dashboard}")
        yield RayHead(folder, *addresses, process.pid)
    finally:
        _stop(process)
        shutil.rmtree(folder, ignore_errors=True)


def release(folder: Path) -> None:
    """Let go who waits at the gate, and let through who comes later."""
    (folder / "open").touch()
    writer = os.open(folder / "gate", os.O_WRONLY)
    (folder / "open").replace(folder / "gate")
    os.close(writer)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _free_port() -> int:
    """A port that nothing uses, outside of those that Ray gives to workers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
