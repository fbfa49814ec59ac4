"""Nodes of a real cluster whose scc-bench is not the driver's measure nothing; the run goes on with the others."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from orchestrator.cli.exit_status import EXIT_FAILED
from orchestrator.store import ResultStore
from scc_core.machine.code import code_digest
from scc_core.machine.packages import PACKAGES
from tests.orchestrator.console import PATIENCE, ROOT, sccbench, write_grid
from tests.orchestrator.gated import GRID, open_gate, outcomes, run_to_the_gate
from tests.orchestrator.ray_nodes import RayNode

pytestmark = pytest.mark.slow


def mirrored_vertically(project: Path) -> None:
    """The fault that told nobody: `flip`, and all that flips, takes another axis."""
    for file in (project / "scc_core" / "defenses").glob("*.py"):
        file.write_text(file.read_text().replace(".flip(-1)", ".flip(-2)"))


def of_an_older_version(project: Path) -> None:
    """It knew no digest of its sources, and its bench took other arguments."""
    (project / "scc_core" / "machine" / "code.py").unlink()
    (project / "workers" / "bench.py").write_text("class Bench:\n    def __init__(self, device): ...\n")


@pytest.fixture
def copy(tmp_path_factory) -> Path:
    """The project in another folder."""
    project = tmp_path_factory.mktemp("other")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    return project


@pytest.fixture
def nodes(tmp_path) -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def start(nodes: ExitStack, folder: Path, cpus: int, address: str | None = None, project: Path = ROOT) -> RayNode:
    """A node whose processes find the project in a folder, and the tests in the checkout."""
    node = RayNode(folder, cpus, address, python_path=os.pathsep.join((str(project), str(ROOT))))
    nodes.callback(node.stop)
    return node


@pytest.mark.parametrize(
    ("change", "theirs"),
    [
        (mirrored_vertically, r"\S+ with code [0-9a-f]{12}"),
        (of_an_older_version, r"\S+, which does not tell its code"),
    ],
)
def test_a_node_with_other_code_measures_nothing(tmp_path, undisturbed, copy, nodes, change, theirs):
    change(copy)
    head = start(nodes, tmp_path, 0)
    start(nodes, tmp_path, 1, head.address)
    start(nodes, tmp_path, 2, head.address, copy)
    # Until the gate opens, every node has the time to contribute.
    process = run_to_the_gate(tmp_path, "--address", head.address)
    open_gate(tmp_path)
    text, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, text
    assert outcomes(tmp_path).equals(undisturbed)
    line = (
        rf"^node \S+ \([0-9.]+, id [0-9a-f]{{12}}\) is refused and measures nothing: its scc-bench is {theirs}, "
        rf"the driver's is \S+ with code {code_digest()[:12]}$"
    )
    assert len(re.findall(line, text, flags=re.MULTILINE)) == 1, text
    assert "all cells done" in text
    assert "Traceback" not in text


def test_a_run_without_any_node_of_its_code_ends_in_one_line_and_is_resumed_elsewhere(
    tmp_path, undisturbed, copy, nodes
):
    mirrored_vertically(copy)
    head = start(nodes, tmp_path, 1, project=copy)
    open_gate(tmp_path)
    done = sccbench("run", str(write_grid(tmp_path, GRID)), "--address", head.address, folder=tmp_path)
    assert done.returncode == EXIT_FAILED, done.stdout + done.stderr
    (line,) = [line for line in done.stderr.splitlines() if "cannot go on" in line]
    assert "cannot go on: no worker is left: node " in line
    assert "`sccbench resume " in line
    assert "Traceback" not in done.stdout + done.stderr
    again = sccbench("resume", folder=tmp_path)
    assert again.returncode == 0, again.stdout + again.stderr
    assert outcomes(tmp_path).equals(undisturbed)


def test_other_arithmetic_is_told_stored_and_marked(tmp_path, nodes, monkeypatch):
    """The libraries of one node compute with older instructions; its results count, and say so."""
    head = start(nodes, tmp_path, 0)
    start(nodes, tmp_path, 1, head.address)
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "default")
    start(nodes, tmp_path, 1, head.address)
    monkeypatch.delenv("ATEN_CPU_CAPABILITY")
    process = run_to_the_gate(tmp_path, "--address", head.address, waiting=2)
    open_gate(tmp_path)
    text, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, text
    told = [line for line in text.splitlines() if "computes in another environment than the first" in line]
    assert len(told) == 1
    assert "ATEN_CPU_CAPABILITY=default" in told[0]
    with ResultStore.open(f"sqlite:///{tmp_path}/sccbench.db", create=False) as store:
        rows = store.results().select("environments", "badges").rows()
        variables = [facts["variables"] for facts in store.environments().values()]
    assert sorted(variables) == [[], ["ATEN_CPU_CAPABILITY=default"]]
    assert {text.count(",") for text, _ in rows} <= {0, 1}
    assert any("," in text for text, _ in rows)
    for text, badges in rows:
        assert ("mixed environments" in badges) == ("," in text)
    page = sccbench("dashboard", folder=tmp_path)
    assert page.returncode == 0, page.stdout + page.stderr
    html = (tmp_path / "sccbench-dashboard" / "provenance.html").read_text()
    assert "What differs" in html
    assert "ATEN_CPU_CAPABILITY=default" in html


def test_blocks_of_a_run_refer_to_the_environment_of_their_worker(tmp_path):
    done = sccbench("run", str(write_grid(tmp_path, {"max_samples": "100"})), "--workers", "1", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    with sqlite3.connect(tmp_path / "sccbench.db") as connection:
        tables = "block b LEFT JOIN environment e ON e.id = b.environment_id"
        ((text, device),) = connection.execute(f"SELECT DISTINCT facts, b.device FROM {tables}").fetchall()
    facts = json.loads(text)
    assert (facts["code"], facts["device_kind"]) == (code_digest(), "cpu")
    assert device == f"cpu x {facts['threads']}"
