"""The examples of the documentation are components of real grids, each from nothing but its file."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest

from orchestrator.store import ResultStore
from tests.orchestrator.console import sccbench

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"
KINDS = ("model", "dataset", "attack", "defense")

pytestmark = pytest.mark.slow


def measure(kind: str, folder: Path) -> pl.DataFrame:
    """Run the example of a kind from a folder that holds its two files alone."""
    for name in (f"my_{kind}.py", f"my_{kind}.yaml"):
        shutil.copy(EXAMPLES / name, folder)
    done = sccbench("run", f"my_{kind}.yaml", "--workers", "1", folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    with ResultStore.open(f"sqlite:///{folder}/sccbench.db", create=False) as store:
        rows = store.results()
    assert set(rows["status"]) == {"done"}
    return rows


def accuracies(rows: pl.DataFrame, *columns: str) -> dict[tuple[object, ...], float]:
    return {tuple(row[:-1]): row[-1] for row in rows.select(*columns, "accuracy").iter_rows()}


def test_every_example_has_a_grid():
    assert {path.name for path in EXAMPLES.glob("my_*")} == {
        f"my_{kind}.{end}" for kind in KINDS for end in ("py", "yaml")
    }


def test_the_model_tells_colours_apart(tmp_path):
    rows = measure("model", tmp_path)
    found = accuracies(rows, "epsilon_255", "defense")
    assert {*rows.select("model", "dataset").iter_rows()} == {("my_model:ColourModel", "demo/colours")}
    assert set(found) == {(0.0, "none"), (0.0, "flip"), (8.0, "none"), (8.0, "flip")}
    assert found[0.0, "none"] > 0.7
    # Colours have no handedness, so mirroring changes nothing; an attack does.
    assert found[0.0, "flip"] == found[0.0, "none"]
    assert found[8.0, "none"] < found[0.0, "none"]


def test_the_dataset_is_one_that_the_shipped_model_reads(tmp_path):
    found = accuracies(measure("dataset", tmp_path), "dataset", "epsilon_255", "defense")
    assert {dataset for dataset, _, _ in found} == {"my_dataset:ColouredSquares"}
    assert found["my_dataset:ColouredSquares", 0.0, "none"] > 0.9


def test_the_attack_breaks_what_it_attacks(tmp_path):
    found = accuracies(measure("attack", tmp_path), "attack", "threat_model", "defense")
    own = "my_attack:MomentumSteps(num_steps=5)"
    assert found[own, "transfer", "none"] < found["none", "transfer", "none"] - 0.2
    # It runs against a defended model unchanged, and there undoes what a flip saves.
    assert found[own, "adaptive", "flip"] < found[own, "transfer", "flip"]


def test_the_defense_is_a_control_that_an_attack_can_pass_through(tmp_path):
    rows = measure("defense", tmp_path)
    found = accuracies(rows, "epsilon_255", "threat_model", "defense")
    own = ("my_defense:MedianFilter", "my_defense:MedianFilter(radius=2)")
    assert {defense for _, _, defense in found} == {"none", *own}
    assert {threat for _, threat, defense in found if defense == own[0]} == {"transfer", "adaptive"}
    assert found[4.0, "transfer", own[0]] > found[4.0, "transfer", "none"]
