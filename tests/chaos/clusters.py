"""Clusters of a head without work and two nodes, whose nodes a test can take away."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.components import FOLDER
from tests.orchestrator.console import ROOT
from tests.orchestrator.ray_nodes import RayNode

NODES, CPUS = 2, 2
ATTEMPTS = 3


class Machines(Protocol):
    """A cluster."""

    address: str

    def lose_node(self) -> None:
        """Kill a node with whatever works there."""

    def add_node(self) -> None:
        """Let another node join."""

    def lose_head(self) -> None:
        """Kill the head."""

    def start_again(self) -> None:
        """Start a head and nodes instead of those that there were."""

    def close(self) -> None:
        """End everything."""


class _Node(RayNode):
    def close(self) -> None:
        """Kill whatever is left of the session that the node was started in, workers included."""
        listed = subprocess.run(["ps", "-s", str(self._process.pid), "-o", "pid="], capture_output=True, text=True)
        for pid in listed.stdout.split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        self._process.wait(timeout=60)


class StartedByCommand:
    """Nodes of ``ray start``, each a group of processes of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._all: list[_Node] = []
        self.start_again()

    def lose_node(self) -> None:
        self._nodes.pop(0).kill()

    def add_node(self) -> None:
        self._nodes.append(self._start(CPUS, self.address))

    def lose_head(self) -> None:
        self._head.kill()

    def start_again(self) -> None:
        self.close()
        self._head = self._start(0)
        self.address = self._head.address
        self._nodes: list[_Node] = []
        for _ in range(NODES):
            self.add_node()

    def close(self) -> None:
        for node in self._all:
            node.close()
        self._all.clear()

    def _start(self, cpus: int, address: str | None = None) -> _Node:
        node = _Node(self._folder, cpus, address)
        self._all.append(node)
        return node


class InRaysOwnCluster:
    """Ray's own cluster for tests, in one process group with the test."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self._temporary = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
        # Ray notes the address of its latest head in its folder, where drivers of others would find this one.
        patch.setenv("RAY_TMPDIR", self._temporary)
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv(FOLDER, str(folder))
        self._cluster: Any = None
        self.start_again()

    def lose_node(self) -> None:
        self._cluster.remove_node(self._nodes.pop(0), allow_graceful=False)

    def add_node(self) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._nodes.append(self._cluster.add_node(num_cpus=CPUS))
            except Exception as error:
                # Ray gives a node thirty seconds, which a busy machine may need more than, and says so in words alone.
                if "timed out" not in str(error).lower() or attempt == ATTEMPTS:
                    raise
            else:
                return

    def lose_head(self) -> None:
        self._cluster.remove_node(self._cluster.head_node, allow_graceful=False)

    def start_again(self) -> None:
        from ray.cluster_utils import Cluster

        self._end()
        self._cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        self.address = self._cluster.address
        self._nodes: list[Any] = []
        for _ in range(NODES):
            self.add_node()

    def close(self) -> None:
        self._end()
        shutil.rmtree(self._temporary, ignore_errors=True)

    def _end(self) -> None:
        if self._cluster is not None:
            self._cluster.shutdown()
