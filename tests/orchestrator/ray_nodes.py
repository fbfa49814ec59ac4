"""Nodes of a Ray cluster on this machine, each a group of processes as an operator starts them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tests.orchestrator.console import ROOT, environment, wait_for

_RAY = str(Path(sys.executable).parent / "ray")
_COMMANDS = ("initialization", "setup", "head_setup", "worker_setup", "head_start_ray", "worker_start_ray")
_AUTOSCALER = {"RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1"}
_OBJECT_STORE = "100000000"


class RayNode:
    """A node that runs until it is stopped or killed.

    Args:
        folder: where its log goes, and what the tests' components see.
        cpus: cores that it offers.
        address: of the head; None makes it the head.
        node_types: for a head: what an autoscaler adds, as Ray's ``available_node_types``.
        python_path: where its processes find this project; by default the checkout.
    """

    def __init__(
        self,
        folder: Path,
        cpus: int,
        address: str | None = None,
        node_types: Mapping[str, object] | None = None,
        python_path: str = str(ROOT),
    ) -> None:
        self.address = address or f"127.0.0.1:{_free_port()}"
        extra = [] if node_types is None else ["--autoscaling-config", str(self._autoscaling(folder, node_types))]
        self._session: str | None = None
        self._log = folder / f"node-{len(list(folder.glob('node-*')))}.log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [*self._command(cpus, head=address is None), *extra],
                env=environment(folder, PYTHONPATH=python_path, **_AUTOSCALER),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_for(self._answers, "a Ray node")
        assert self._process.poll() is None, self._log.read_text()

    @property
    def raylets(self) -> int:
        """How many nodes a head has, itself and those of its autoscaler, which are processes of other sessions."""
        return sum("/raylet/raylet " in line for _, line in self._of_the_cluster())

    def kill(self) -> None:
        """End every process of the node at once but its workers, as when a machine is taken away from Ray."""
        for pid, line in self._processes():
            if not line.startswith("ray::"):
                _kill(pid)
        self._process.wait(timeout=60)

    def stop(self) -> None:
        """End the node in order."""
        self._process.terminate()
        try:
            self._process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.kill()
        if self._session is not None:
            for pid, _ in self._of_the_cluster():
                _kill(pid)
            shutil.rmtree(self._session, ignore_errors=True)

    def _command(self, cpus: int, *, head: bool) -> list[str]:
        command = [_RAY, "start", "--num-cpus", str(cpus), "--object-store-memory", _OBJECT_STORE, "--block"]
        if head:
            port = self.address.rpartition(":")[2]
            # Sockets lie in it, whose paths must be short.
            self._session = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
            return [*command, "--head", "--port", port, "--include-dashboard", "false", "--temp-dir", self._session]
        return [*command, "--address", self.address]

    def _autoscaling(self, folder: Path, node_types: Mapping[str, object]) -> Path:
        """Write what Ray's own autoscaler is to do, with nodes that are processes of this machine."""
        head = {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0}
        config = {
            "cluster_name": "test",
            "max_workers": 4,
            "idle_timeout_minutes": 0.1,
            "provider": {
                "type": "fake_multinode",
                "gcs_address": self.address,
                # All nodes have one address, and nobody logs in to them.
                "use_node_id_as_ip": True,
                "disable_node_updaters": True,
                "disable_launch_config_check": True,
            },
            "head_node_type": "ray.head.default",
            "upscaling_speed": 1.0,
            **{key: {} for key in ("auth", "docker", "file_mounts")},
            **{f"{key}_commands": [] for key in _COMMANDS},
            **{key: [] for key in ("cluster_synced_files", "rsync_exclude", "rsync_filter")},
            "file_mounts_sync_continuously": False,
            "available_node_types": {"ray.head.default": head, **node_types},
        }
        path = folder / "autoscaling.json"
        path.write_text(json.dumps(config))
        return path

    def _answers(self) -> bool:
        return self._process.poll() is not None or "Ray runtime started" in self._log.read_text()

    def _processes(self) -> list[tuple[int, str]]:
        return _listed("-s", str(os.getsid(self._process.pid)))

    def _of_the_cluster(self) -> list[tuple[int, str]]:
        """Return the processes that name the folder of a head's session."""
        return [(pid, line) for pid, line in _listed("-e") if f"{self._session}/" in line]


def _listed(*options: str) -> list[tuple[int, str]]:
    listed = subprocess.run(["ps", "-ww", *options, "-o", "pid=,args="], capture_output=True, text=True, check=False)
    lines = [line.split(None, 1) for line in listed.stdout.splitlines()]
    return [(int(pid), rest) for pid, rest in lines]


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
