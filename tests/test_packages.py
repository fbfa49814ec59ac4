"""A user's folder may hold packages with the names of this project's: ours are found first."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from orchestrator.jobs import RuntimeEnvironment
from orchestrator.store import ResultStore
from scc_core.components.registry import Registry
from scc_core.errors import UserError
from scc_core.machine.packages import PACKAGES, check_found_first, namesakes
from tests.orchestrator.console import ROOT, sccbench

EXAMPLES = ROOT / "docs" / "examples"


def write_namesakes(folder: Path) -> None:
    for name in PACKAGES:
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("raise RuntimeError('a package of the user')")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_namesakes(tmp_path)
    for name in ("my_model.py", "my_model.yaml"):
        shutil.copy(EXAMPLES / name, tmp_path)
    return tmp_path


@pytest.mark.slow
def test_a_run_among_namesakes_measures_the_users_own_model(folder):
    done = sccbench("run", "my_model.yaml", "--workers", "1", folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    with ResultStore.open(f"sqlite:///{folder}/sccbench.db", create=False) as store:
        assert set(store.results()["status"]) == {"done"}
        assert set(store.results()["model"]) == {"my_model:ColourModel"}


def test_a_namesake_that_python_finds_first_is_told_in_one_line(tmp_path):
    (tmp_path / "workers").mkdir()
    (tmp_path / "workers" / "__init__.py").write_text("")
    done = sccbench("list", "models", folder=tmp_path, PYTHONPATH=str(tmp_path))
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: Python finds ")
    assert f"{tmp_path}/workers under the name workers" in line


def test_a_folder_that_would_hide_ours_on_the_head_is_not_sent(folder):
    assert namesakes(folder) == list(PACKAGES)
    with pytest.raises(
        UserError, match="holds scc_core and workers and orchestrator and dashboards, the name of a package"
    ):
        RuntimeEnvironment(working_dir=folder).build()


def test_folders_of_data_and_checkouts_of_this_project_hide_nothing(tmp_path):
    (tmp_path / "workers").mkdir()
    assert namesakes(tmp_path) == []
    assert namesakes(ROOT) == []
    check_found_first()


def test_a_component_in_a_namesake_is_told_to_take_another_name():
    with pytest.raises(UserError, match=r"'workers:Blur' cannot .* workers is a package of scc-bench: give"):
        Registry("defense", "sccbench.defenses").get("workers:Blur")
