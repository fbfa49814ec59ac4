"""Whole runs whose database goes down: computing goes on, and the results are those of an undisturbed run."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest

from orchestrator.store import ResultStore
from tests.orchestrator.console import PATIENCE, sccbench, start_sccbench, wait_for, write_grid
from tests.orchestrator.gated import open_gate
from tests.orchestrator.postgresql import Server

GRID = {"defenses": "[none, 'tests.components:WaitsForGate']", "epsilons": "[0]", "max_samples": "800"}
COLUMNS = ["cell", "position", "sample_id", "label", "prediction", "margin", "confidence"]
BLOCKS = 32


def outcomes(url: str) -> pl.DataFrame:
    """Every sample of every cell of the database, in one order."""
    with ResultStore.open(url, create=False) as store:
        return store.outcomes(store.results()["cell"].to_list()).select(COLUMNS).sort(COLUMNS)


def run_to_the_gate(folder: Path, url: str):
    """Start a run, and return it once its worker waits at the gate."""
    os.mkfifo(folder / "gate")
    grid = write_grid(folder, GRID)
    process = start_sccbench("run", str(grid), "--workers", "1", folder=folder, **environment_of(folder, url))
    wait_for(lambda: process.poll() is not None or list(folder.glob("waiting-*")), "a worker at the gate")
    assert process.poll() is None, process.communicate()
    return process


def environment_of(folder: Path, url: str) -> dict[str, str]:
    return {"SCCBENCH_DB": url, "SCCBENCH_CACHE": str(folder / "cache")}


def spooled(folder: Path) -> int:
    """Blocks that wait on the disk."""
    return sum(path.read_bytes().count(b'"created_at"') for path in folder.glob("cache/spool/*/*.spool"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> pl.DataFrame:
    folder = tmp_path_factory.mktemp("undisturbed")
    open_gate(folder)
    done = sccbench("run", str(write_grid(folder, GRID)), folder=folder, SCCBENCH_DB=str(folder / "sccbench.db"))
    assert done.returncode == 0, done.stdout + done.stderr
    return outcomes(str(folder / "sccbench.db"))


@pytest.mark.slow
def test_a_second_run_on_an_sqlite_file_is_refused_and_the_first_goes_on(tmp_path, undisturbed):
    url = str(tmp_path / "sccbench.db")
    process = run_to_the_gate(tmp_path, url)
    for command in (("run", str(tmp_path / "grid.yaml")), ("resume",)):
        second = sccbench(*command, folder=tmp_path, **environment_of(tmp_path, url))
        assert second.returncode == 2
        assert second.stdout == ""
        assert f"error: {url} is in use by process {process.pid} on " in second.stderr
        assert second.stderr.count("\n") == 1
    assert sccbench("status", folder=tmp_path, **environment_of(tmp_path, url)).returncode == 0
    open_gate(tmp_path)
    text, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, text
    assert outcomes(url).equals(undisturbed)


@pytest.mark.slow
def test_a_server_that_stops_in_the_middle_costs_nothing(tmp_path, undisturbed, stoppable_postgresql: Server):
    server = stoppable_postgresql
    process = run_to_the_gate(tmp_path, server.url)
    server.stop()
    open_gate(tmp_path)
    wait_for(lambda: process.poll() is not None or spooled(tmp_path) >= BLOCKS // 2, "results in the spool")
    server.start()
    text, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, text
    assert text.count("results wait in") == 1
    assert text.count("is back; ") == 1
    assert "all cells done" in text
    assert outcomes(server.url).equals(undisturbed)
    assert list(tmp_path.rglob("*.spool")) == []


@pytest.mark.slow
def test_a_driver_that_is_killed_with_a_spool_leaves_it_to_the_next(
    tmp_path, undisturbed, stoppable_postgresql: Server
):
    server = stoppable_postgresql
    process = run_to_the_gate(tmp_path, server.url)
    server.stop("immediate")
    open_gate(tmp_path)
    wait_for(lambda: process.poll() is not None or spooled(tmp_path) >= BLOCKS // 2, "results in the spool")
    process.kill()
    process.communicate()
    waiting = spooled(tmp_path)
    away = sccbench("resume", folder=tmp_path, **environment_of(tmp_path, server.url))
    assert (away.returncode, away.stderr.count("\n")) == (2, 1), away.stderr
    server.start()
    done = sccbench("resume", folder=tmp_path, **environment_of(tmp_path, server.url))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{waiting} blocks of run" in done.stdout
    assert outcomes(server.url).equals(undisturbed)
    assert list(tmp_path.rglob("*.spool")) == []
