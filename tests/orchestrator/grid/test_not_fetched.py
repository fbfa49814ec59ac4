"""What is not on this machine: counted by `plan`, refused as a whole before a run, never stored."""

from __future__ import annotations

import pytest

from orchestrator.grid.expand import expand, expand_provisionally
from orchestrator.grid.not_fetched import NOT_FETCHED
from orchestrator.grid.schema import parse_grid
from orchestrator.plan.plan import make_plan
from orchestrator.store import ResultStore
from scc_core.errors import NotFetchedError, UserError
from scc_core.machine.settings import DATA
from tests.orchestrator.store.builders import make_record

GRID = """
name: far
models: [tests.components:far, tests.components:tiny]
datasets: [cifar10, tests.components:noise_images]
attacks: [pgd]
epsilons: [0, 1/255]
defenses: [none, ttc]
"""


@pytest.fixture(autouse=True)
def _empty_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv(DATA.name, str(tmp_path / "datasets"))


def expansion(text: str = GRID):
    return expand_provisionally(parse_grid(text, "g.yaml"))


def refused(text: str) -> str:
    with pytest.raises(NotFetchedError) as raised:
        expand(parse_grid(text, "g.yaml"))
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_what_is_not_here_is_counted_from_its_card():
    found = expansion()
    assert len(found.cells) == 2 * 2 * 2 * 2
    by_dataset = {cell.dataset.name: (cell.dataset, samples) for cell, samples in found.cells.items()}
    cifar, samples = by_dataset["cifar10"]
    assert (samples, cifar.size, cifar.classes, cifar.split, cifar.version) == (10_000, 10_000, 10, "test", NOT_FETCHED)
    assert {(cell.model.name, cell.dataset.name) for cell in found.cells if not cell.provisional} == {
        ("tests.components:tiny", "tests.components:noise_images")
    }
    assert [(one.kind, one.name) for one in found.absent] == [("model", "tests.components:far"), ("dataset", "cifar10")]


def test_what_is_here_has_the_same_cells_with_and_without_the_rest():
    here = GRID.replace("tests.components:far, ", "").replace("cifar10, ", "")
    assert set(expand(parse_grid(here, "g.yaml"))) == {cell for cell in expansion().cells if not cell.provisional}


def test_a_run_names_all_that_is_missing_at_once_with_the_commands():
    text = refused(GRID.replace("cifar10, ", "cifar10, tests.components:far_images, "))
    assert "models tests.components:far; datasets cifar10, tests.components:far_images" in text
    assert "`sccbench fetch models tests.components:far`; `sccbench fetch datasets cifar10`" in text
    assert "tests.components:far_images: ask the hospital for the folder" in text


def test_one_missing_thing_is_told_in_its_own_words():
    text = refused(GRID.replace("cifar10, ", ""))
    assert text == "no weights of tests.components:far here; `sccbench fetch models tests.components:far`"


def test_a_model_that_only_an_attack_or_a_defense_names_is_missing_too():
    source = "[{surrogate: {source: 'tests.components:far'}}]"
    lines = {"models: [tests.components:far, ": "models: [", "cifar10, ": "", "attacks: [pgd]": f"attacks: {source}"}
    text = GRID
    for old, new in lines.items():
        text = text.replace(old, new)
    found = expansion(text)
    assert [one.name for one in found.absent] == ["tests.components:far"]
    assert {cell.provisional for cell in found.cells if cell.epsilon_255} == {True}
    assert {cell.provisional for cell in found.cells if not cell.epsilon_255} == {False}


def test_a_dataset_of_unknown_size_has_no_cells_and_a_grid_of_such_alone_is_refused():
    found = expansion(GRID.replace("cifar10", "tests.components:far_images"))
    assert {cell.dataset.name for cell in found.cells} == {"tests.components:noise_images"}
    with pytest.raises(NotFetchedError, match="ask the hospital"):
        expansion(GRID.replace("cifar10, tests.components:noise_images", "tests.components:far_images"))


def test_everything_else_is_checked_before_anything_is_said_to_be_missing():
    with pytest.raises(UserError, match="unknown defense 'tcc'") as raised:
        expansion(GRID.replace("ttc", "tcc"))
    assert not isinstance(raised.value, NotFetchedError)


def test_a_provisional_cell_is_neither_found_nor_stored(tmp_path):
    cells = expansion().cells
    with ResultStore.open(f"sqlite:///{tmp_path}/results.db") as store:
        assert make_plan(cells, store.measured_blocks).measured == 0
        with pytest.raises(ValueError, match="is provisional and cannot be stored"):
            store.start_run(make_record(), cells)
        assert store.runs() == []
