"""Two real drivers on one PostgreSQL database: the cells that both ask for are computed once, even if one dies."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from orchestrator.store import ResultStore, read_only_query
from tests.orchestrator.console import PATIENCE, start_sccbench, wait_for, write_grid
from tests.orchestrator.gated import alive, open_gate

SHARED = "tests.components:LogsItsSamples"
SAMPLES = 800


def start(folder: Path, name: str, url: str, defenses: str):
    """Start a run in a folder of its own, whose components meet in the folder above it."""
    (folder / name).mkdir()
    grid = write_grid(folder / name, {"defenses": defenses, "epsilons": "[0]", "max_samples": str(SAMPLES)})
    places = {"SCCBENCH_TEST_FOLDER": str(folder), "SCCBENCH_DB": url, "SCCBENCH_CACHE": str(folder / "cache")}
    return start_sccbench("run", str(grid), "--workers", "1", folder=folder / name, **places)


def leases(url: str) -> dict[str, int]:
    """How many tiles each driver holds."""
    rows = read_only_query(url, "SELECT driver_id, count(*) AS tiles FROM lease GROUP BY driver_id").rows()
    return dict(rows)


def waiting_workers(folder: Path) -> list[int]:
    """Processes that came to the gate."""
    return [int(path.name.removeprefix("waiting-")) for path in folder.glob("waiting-*")]


@pytest.mark.slow
@pytest.mark.parametrize("dies", [False, True], ids=["both live", "the first is killed"])
def test_two_runs_share_a_cell_and_compute_each_of_its_samples_once(tmp_path, postgresql_url: str, dies: bool):
    ResultStore.open(postgresql_url).close()
    os.mkfifo(tmp_path / "gate")
    first = start(tmp_path, "first", postgresql_url, f"['{SHARED}', none]")
    wait_for(lambda: first.poll() is not None or len(waiting_workers(tmp_path)) == 1, "the first worker at the gate")
    second = start(tmp_path, "second", postgresql_url, f"['{SHARED}', flip]")
    wait_for(lambda: second.poll() is not None or len(waiting_workers(tmp_path)) == 2, "the second worker at the gate")
    assert len(leases(postgresql_url)) == 2
    if dies:
        first.kill()
        first.communicate()
        # Its worker would go through the gate, too, before Ray ends it.
        wait_for(lambda: sum(map(alive, waiting_workers(tmp_path))) == 1, "the death of the orphaned worker")
    open_gate(tmp_path)
    for process in (second,) if dies else (first, second):
        text, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, text
        assert "all cells done" in text
    classified = Counter((tmp_path / "classified").read_text().split())
    assert len(classified) == SAMPLES
    assert set(classified.values()) == {1}
    with ResultStore.open(postgresql_url) as store:
        summaries = {summary.cells_done for summary in store.runs() if summary.outcome == "complete"}
        assert summaries == {2}
    assert leases(postgresql_url) == {}
