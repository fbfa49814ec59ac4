"""A run as one call from Python: the same cells as the command measures, and errors before any compute."""

from __future__ import annotations

from pathlib import PurePosixPath
from types import MappingProxyType

import numpy as np
import pytest
import yaml

import orchestrator
from orchestrator.driver.library import Run, _read, run
from orchestrator.grid.expand import expand
from orchestrator.grid.schema import Grid, grid_text, parse_grid
from scc_core.defenses import Flip
from scc_core.errors import UserError
from tests.orchestrator.console import sccbench

GRID = {
    "name": "from Python",
    "models": ("tests.components:tiny",),
    "datasets": ["tests.components:noise_images"],
    "attacks": [{"pgd": {"num_steps": 3}}],
    "epsilons": [0, "4/255"],
    "threat_models": ["transfer", {"adaptive": {"gradients": "unrolled"}}],
    "defenses": ["none", "flip", {"shift": {"right": 2}}],
    "exclude": [{"defense": "shift*", "epsilon": 0}],
    "max_samples": 100,
}


def as_grid() -> Grid:
    return parse_grid(yaml.safe_dump({**GRID, "models": list(GRID["models"])}), "the test")


@pytest.mark.parametrize(
    "lines",
    [
        {"epsilons": [0, 1.0]},
        {"epsilons": [0, np.float32(1)]},
        {"epsilons": ["4/255"], "attacks": [{"pgd": {"step_size": 1}}]},
        {"defenses": ["none", {"ttc": {"epsilon": 1}}]},
    ],
)
def test_a_number_that_has_probably_another_unit_is_refused(tmp_path, lines):
    with pytest.raises(UserError, match="papers write 1 for 1/255: write 1/255, or 255/255 if that is meant"):
        run({**GRID, "exclude": [], **lines}, tmp_path / "results.db", quiet=True)
    assert list(tmp_path.iterdir()) == []


def test_a_grid_written_as_text_means_the_same():
    grid = as_grid()
    again = parse_grid(grid_text(grid), "its text")
    assert again == grid
    assert dict(expand(again)) == dict(expand(grid))
    assert yaml.safe_load(grid_text(grid))["defenses"] == ["none", "flip", {"shift": {"right": 2}}]
    assert "seeds" not in yaml.safe_load(grid_text(grid))


def test_numbers_of_numpy_and_paths_mean_what_a_file_says():
    of_numpy = {
        **GRID,
        "datasets": [PurePosixPath("tests.components:noise_images")],
        "attacks": [MappingProxyType({"pgd": {"num_steps": np.int64(3)}})],
        "epsilons": np.array([0, 4]) / 255,
        "seeds": [np.int64(0)],
        "max_samples": np.int32(100),
    }
    checked, text = _read(of_numpy)
    assert checked == as_grid()
    assert parse_grid(text, "what is stored") == checked
    assert _read({**GRID, "epsilons": [np.float32(0), np.float32(4 / 255)]})[0] == checked


@pytest.mark.slow
def test_the_call_measures_what_the_command_measures(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    done = run(GRID, num_workers=1)
    assert (done.failed, done.database) == (0, f"sqlite:///{tmp_path}/sccbench.db")
    assert "all cells done" in capsys.readouterr().out
    assert repr(done) == f"Run({done.id}: all cells done, {done.measured} blocks measured)"
    path = tmp_path / "grid.yaml"
    path.write_text(grid_text(as_grid()), encoding="utf-8")
    commanded = sccbench("run", str(path), "--db", "other.db", "--workers", "1", folder=tmp_path)
    assert commanded.returncode == 0, commanded.stdout + commanded.stderr
    other = run(as_grid(), tmp_path / "other.db", quiet=True)
    columns = ["cell", "samples", "correct", "accuracy", "mean_margin", "threat_model"]
    assert done.results().select(columns).equals(other.results().select(columns))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert done.results().height == len(done.results()["cell"].unique())
    monkeypatch.chdir(tmp_path)
    # What was asked for again, as a Grid, is all there: the keys are the same.
    assert run(path, quiet=True).measured == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("grid", "options", "message"),
    [
        ({**GRID, "modles": []}, {}, "the grid: unknown key 'modles'. Did you mean 'models'"),
        ({**GRID, "defenses": ["scx"]}, {}, "Did you mean 'scc'"),
        ({**GRID, "seeds": {0, 1}}, {}, "holds what a grid file cannot say: .* set"),
        ({**GRID, "defenses": [Flip()]}, {}, r"holds what a grid file cannot say: Flip\(\) is a Flip"),
        (None, {}, "the grid is a NoneType; give a mapping, the path of a grid file or a Grid"),
        ("name: x\nmodels: []", {}, "the grid is text of several lines; give the path of a file, or a mapping"),
        ("nowhere.yaml", {}, "cannot read the grid nowhere.yaml"),
        (GRID, {"workers": 2}, "unknown option among workers; the options of a run are address, num_workers"),
        (GRID, {"num_workers": 0}, "num_workers is 0, expected a whole number, 1 or more"),
        (GRID, {"database": "mysql://x"}, "expected a file, sqlite"),
        (GRID, {"database": 3}, "the database is 3, expected the path of a file or a URL"),
    ],
    ids=["key", "defense", "set", "object", "nothing", "text", "file", "option", "workers", "database", "number"],
)
def test_what_is_wrong_is_told_before_any_compute(grid, options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        run(grid, **options)
    assert list(tmp_path.iterdir()) == []


def test_the_package_exports_the_call():
    assert orchestrator.run is run
    assert orchestrator.Run is Run
    with pytest.raises(AttributeError, match="no attribute 'runs'"):
        orchestrator.runs  # noqa: B018 - the access is the test
