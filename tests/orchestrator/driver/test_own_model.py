"""The example of the documentation is a model of a real grid, from nothing but its file."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from orchestrator.store import ResultStore
from tests.orchestrator.console import sccbench

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"


@pytest.mark.slow
def test_the_documented_model_runs_through_a_grid(tmp_path):
    for name in ("my_model.py", "my_model.yaml"):
        shutil.copy(EXAMPLES / name, tmp_path)
    done = sccbench("run", "my_model.yaml", "--workers", "1", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    with ResultStore.open(f"sqlite:///{tmp_path}/sccbench.db", create=False) as store:
        rows = store.results().select("model", "dataset", "epsilon_255", "defense", "accuracy").to_dicts()
    accuracy = {(row["epsilon_255"], row["defense"]): row["accuracy"] for row in rows}
    assert {(row["model"], row["dataset"]) for row in rows} == {("my_model:ColourModel", "demo/colours")}
    assert set(accuracy) == {(0.0, "none"), (0.0, "flip"), (8.0, "none"), (8.0, "flip")}
    assert accuracy[0.0, "none"] > 0.7
    # Colours have no handedness, so mirroring changes nothing; an attack does.
    assert accuracy[0.0, "flip"] == accuracy[0.0, "none"]
    assert accuracy[8.0, "none"] < accuracy[0.0, "none"]
