"""A database that version 0.1.0 wrote is read unchanged: the same rows, the same keys, nothing to measure again.

`demo_run_0003.sql.gz` is the dump of a run of both demonstration models, at both threat models, with schema 0003.
"""

from __future__ import annotations

import gzip
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from polars.testing import assert_frame_equal
from rich.console import Console

from orchestrator.cluster.options import RunOptions
from orchestrator.driver.api import resume_run, run_grid
from orchestrator.driver.display import ConsoleDisplay
from orchestrator.grid.expand import expand
from orchestrator.grid.schema import parse_grid
from orchestrator.plan.plan import make_plan
from orchestrator.store import ResultStore, read_only_query
from scc_core.datasets import open_dataset

DUMP = Path(__file__).parent / "data" / "demo_run_0003.sql.gz"
CELLS = 82


@pytest.fixture
def former(tmp_path: Path) -> Path:
    path = tmp_path / "former.db"
    connection = sqlite3.connect(path)
    connection.executescript(gzip.decompress(DUMP.read_bytes()).decode())
    connection.close()
    return path


def rows_by_key(rows: list[dict[str, Any]]) -> dict[tuple[Any, ...], dict[str, Any]]:
    return {(row["cell"], row.get("run")): row for row in rows}


def plain_rows(path: Path, view: str) -> list[dict[str, Any]]:
    """Read a view with nothing but SQLite, as it was when the file was written."""
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    rows = [dict(row) for row in connection.execute(f"SELECT * FROM {view}")]
    connection.close()
    return rows


@pytest.mark.parametrize("view", ["results", "run_results"])
def test_every_row_of_a_view_keeps_every_former_column(former: Path, view: str) -> None:
    before = rows_by_key(plain_rows(former, view))
    assert len(before) == CELLS
    with ResultStore.open(f"sqlite:///{former}"):
        pass
    after = rows_by_key(plain_rows(former, view))
    assert after.keys() == before.keys()
    for key, row in before.items():
        assert {name: after[key][name] for name in row} == row
    assert list(next(iter(after.values())))[: len(row)] == list(row)


def test_its_cells_have_the_keys_that_its_grid_has_today(former: Path) -> None:
    url = f"sqlite:///{former}"
    with ResultStore.open(url) as store:
        (run,) = store.runs()
        cells = expand(parse_grid(run.grid_text, "the stored grid"))
        assert {cell.key for cell in cells} == set(store.run_cells(run.id))
        assert len(cells) == CELLS
        plan = make_plan(cells, store.measured_blocks)
        assert (plan.missing, plan.measured) == (0, CELLS)
    groups = dict(read_only_query(url, "SELECT key, attack_group FROM cell").iter_rows())
    assert groups == {cell.key: cell.attack_group for cell in cells}


@pytest.mark.parametrize("again", ["run", "resume"])
def test_its_names_come_in_with_the_next_run_or_resume_of_its_datasets(former: Path, again: str) -> None:
    url, display = f"sqlite:///{former}", ConsoleDisplay(Console(quiet=True))
    counts = "SELECT count(*), count(name), count(class_name) FROM sample_results"
    with ResultStore.open(url) as store:
        (run,) = store.runs()
        numbers = class_names_of(store)
    samples, *named = read_only_query(url, counts).row(0)
    assert (samples > 0, named) == (True, [0, 0])
    assert all(names == tuple(map(str, range(len(names)))) for names in numbers.values())
    if again == "run":
        run_grid(parse_grid(run.grid_text, "the stored grid"), run.grid_text, url, RunOptions(), display)
    else:
        resume_run(run.id, url, RunOptions(), display)
    assert read_only_query(url, counts).row(0) == (samples, samples, samples)
    with ResultStore.open(url) as store:
        assert class_names_of(store) == {name: open_dataset(name).class_names for name in numbers}
        # What is told by position is the sample that the worker measured there.
        outcomes = store.outcomes([cell.key for cell in store.cells()]).select("cell", "position", "sample_id", "label")
    told = read_only_query(url, "SELECT cell, position, sample AS sample_id, label FROM sample_results")
    assert_frame_equal(told.cast(dict(outcomes.schema)), outcomes, check_row_order=False)


def class_names_of(store: ResultStore) -> dict[str, tuple[str, ...]]:
    names = store.class_names(store.cells())
    return {cell.dataset: names[cell.key] for cell in store.cells()}


def test_its_samples_say_what_its_counts_say(former: Path) -> None:
    with ResultStore.open(f"sqlite:///{former}") as store:
        counts = {row["cell"]: (row["samples"], row["correct"]) for row in store.results().iter_rows(named=True)}
        frame = store.outcomes(sorted(counts))
    measured = {
        cell: (part.height, int(part["correct"].sum()))
        for (cell,), part in frame.partition_by("cell", as_dict=True).items()
    }
    assert measured == counts
