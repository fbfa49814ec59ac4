"""The calls under the commands: one preparation for new and resumed runs, shown on whatever display is passed in."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from orchestrator.cluster.options import RunOptions
from orchestrator.driver.api import resume_run, run_grid
from orchestrator.driver.display import Reporter
from orchestrator.driver.progress import Progress
from orchestrator.grid.schema import parse_grid
from orchestrator.store import ResultStore
from scc_core.errors import UserError
from tests.orchestrator.measuring import evaluate_grid

TEXT = """
name: test
models: [tests.components:tiny]
datasets: [tests.components:noise_images]
attacks: [{pgd: {num_steps: 1}}]
epsilons: [0, 4/255]
defenses: [none]
max_samples: 50
"""


class Lines:
    """A display that remembers what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.noticed: list[str] = []

    def say(self, line: str) -> None:
        self.said.append(line)

    def notice(self, line: str) -> None:
        self.noticed.append(line)

    def reporter(self, progress: Progress) -> AbstractContextManager[Reporter]:
        raise AssertionError("nothing is to be measured")


@pytest.fixture
def database(tmp_path: Path) -> str:
    """A database in which every cell of the grid is measured."""
    url = f"sqlite:///{tmp_path}/results.db"
    with ResultStore.open(url) as store:
        evaluate_grid(store, TEXT)
    return url


def test_a_new_and_a_resumed_run_say_the_same_and_store_what_they_were_asked_for(database):
    first, second = Lines(), Lines()
    result = run_grid(parse_grid(TEXT, "the test"), TEXT, database, RunOptions(), first)
    assert (result.failed, result.measured) == (0, 0)
    assert resume_run(result.run, database, RunOptions(), second) == result
    doubt, *said = first.said
    assert doubt.startswith("warning: dataset tests.components:noise_images: prompts call 4 classes by numbers")
    assert said == [
        f"run {result.run}: all 2 cells are measured already; nothing to compute",
        f"run {result.run}: all cells done",
    ]
    assert second.said == said
    assert first.noticed == second.noticed == []
    with ResultStore.open(database, create=False) as store:
        summary = store.run(result.run)
    assert (summary.name, summary.grid_text, summary.state) == ("test", TEXT, "complete")


@pytest.mark.parametrize(
    ("former", "said"),
    [
        (TEXT + "exclude: [{seed: 7}]\n", "matches no cell"),
        (TEXT.replace("num_steps: 1", "num_steps: 1, step_size: 1"), "papers write 1 for 1/255"),
        (TEXT.replace("4/255", "1"), "papers write 1 for 1/255"),
        (TEXT.replace("none", "{random-noise: {epsilon: 1}}"), "papers write 1 for 1/255"),
    ],
    ids=["exclude", "step", "radius", "defense"],
)
def test_a_run_is_resumed_whose_grid_would_be_refused_today(tmp_path, former, said):
    database = f"sqlite:///{tmp_path}/results.db"
    with ResultStore.open(database) as store:
        run = evaluate_grid(store, former, stored=True)
    with pytest.raises(UserError, match=said):
        run_grid(parse_grid(former, "the test"), former, database, RunOptions(), Lines())
    result = resume_run(run, database, RunOptions(), Lines())
    assert (result.run, result.failed, result.measured) == (run, 0, 0)


def test_a_wrong_grid_leaves_no_database_behind(tmp_path):
    text = TEXT.replace("tests.components:tiny", "tests.components:absent")
    with pytest.raises(UserError, match="absent"):
        run_grid(parse_grid(text, "the test"), text, f"sqlite:///{tmp_path}/results.db", RunOptions(), Lines())
    assert list(tmp_path.iterdir()) == []


def test_only_a_run_that_exists_is_resumed(database):
    with pytest.raises(UserError, match="no run '2020'"):
        resume_run("2020", database, RunOptions(), Lines())


def test_a_database_that_cannot_be_used_is_told_before_anything_is_prepared(tmp_path, monkeypatch):
    monkeypatch.setattr("orchestrator.driver.api.prepare", lambda *_, **__: pytest.fail("the grid was prepared"))
    grid = parse_grid(TEXT, "the test")
    (tmp_path / "other.db").write_text("no database at all, and long enough to be none")
    for url in ("mysql://host/results", f"{tmp_path}/other.db", "postgresql://bench@127.0.0.1:9/results"):
        with pytest.raises(UserError):
            run_grid(grid, TEXT, url, RunOptions(), Lines())
