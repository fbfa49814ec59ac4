"""Long runs in real Ray that everything happens to: block for block the results of one that nothing happens to.

``SCCBENCH_CHAOS_SEED`` draws another schedule; a test that fails shows its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import polars as pl
import pytest

from orchestrator.store import ResultStore
from orchestrator.store.reading.query import read_only_query
from tests.chaos.clusters import InRaysOwnCluster, StartedByCommand
from tests.chaos.components import FULL_ONCE, IMAGES
from tests.chaos.schedule import End, Fault, draw
from tests.chaos.trial import BLOCKS, BROKEN, BROKEN_CELLS, CELLS, GRID, Trial, committed_blocks, measured
from tests.disks import small_disk
from tests.orchestrator.console import sccbench, write_grid
from tests.orchestrator.postgresql import Server

SEED = int(os.environ.get("SCCBENCH_CHAOS_SEED", "1"))
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> pl.DataFrame:
    """Every outcome of the sound defenses in a run of this machine's own."""
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / FULL_ONCE).touch()
    done = sccbench("run", str(write_grid(folder, GRID)), folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    url = f"sqlite:///{folder}/sccbench.db"
    assert committed_blocks(url) == BLOCKS
    frame = measured(url)
    assert frame.height == CELLS * IMAGES
    return frame


@pytest.fixture
def cleanup() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def go_through(trial: Trial, faults: tuple[Fault, ...], ends: tuple[End, ...]) -> str:
    """Run a schedule to its end; whatever fails names the schedule."""
    lives = draw(SEED, faults, ends)
    try:
        return trial.go_through(lives)
    except BaseException as error:
        error.add_note(f"SCCBENCH_CHAOS_SEED={SEED} drew {lives}; happened: {trial.log}")
        raise


def assert_nothing_is_lost(url: str, undisturbed: pl.DataFrame, trial: Trial, expected: set[Fault | End]) -> None:
    assert {what for what, _ in trial.log} == expected
    at = [blocks for _, blocks in trial.log]
    assert at == sorted(at)
    assert 0 < at[0] < at[-1] < BLOCKS
    assert committed_blocks(url) == BLOCKS
    assert measured(url).equals(undisturbed)
    with ResultStore.open(url, create=False) as store:
        results = store.results(store.run().id)
    failed = results.filter(pl.col("status") == "failed")
    assert (results.height, failed.height) == (CELLS + BROKEN_CELLS, BROKEN_CELLS)
    assert failed["defense"].unique().to_list() == [BROKEN]
    assert results.filter(pl.col("status") == "done").height == CELLS
    kept = read_only_query(url, "SELECT error, traceback FROM run_cell WHERE error IS NOT NULL")
    assert kept.height == BROKEN_CELLS
    assert kept["error"].unique().to_list() == ["RuntimeError: this defense is broken"]
    assert kept["traceback"].str.contains("in classify").all()


def test_all_but_a_full_disk_happens_to_a_run_on_nodes_of_their_own_and_postgresql(
    tmp_path: Path, undisturbed: pl.DataFrame, cleanup: ExitStack
):
    server = Server()
    cleanup.callback(server.remove)
    machines = StartedByCommand(tmp_path)
    cleanup.callback(machines.close)
    trial = Trial(tmp_path, server.url, machines, server)
    cleanup.callback(trial.close)
    faults = tuple(fault for fault in Fault if fault != Fault.DISK_FULL)
    text = go_through(trial, faults, tuple(End))
    assert f"{BROKEN_CELLS} cells failed" in text
    assert (tmp_path / FULL_ONCE).exists()
    assert_nothing_is_lost(server.url, undisturbed, trial, {*faults, *End})
    assert list(tmp_path.rglob("*.spool")) == []


def test_workers_nodes_and_drivers_come_and_go_and_the_disk_is_full_in_rays_own_cluster_of_three(
    tmp_path: Path, undisturbed: pl.DataFrame, cleanup: ExitStack, monkeypatch: pytest.MonkeyPatch
):
    disk = cleanup.enter_context(small_disk(tmp_path / "disk", "64m"))
    url = f"sqlite:///{disk}/sccbench.db"
    machines = InRaysOwnCluster(tmp_path, monkeypatch)
    cleanup.callback(machines.close)
    trial = Trial(tmp_path, url, machines, disk=disk)
    cleanup.callback(trial.close)
    faults = (Fault.WORKER_KILLED, Fault.NODE_LOST, Fault.WORKER_TOLD_TO_GO, Fault.DISK_FULL)
    ends = (End.DRIVER_KILLED,)
    text = go_through(trial, faults, ends)
    assert f"{BROKEN_CELLS} cells failed" in text
    assert_nothing_is_lost(url, undisturbed, trial, {*faults, *ends})
