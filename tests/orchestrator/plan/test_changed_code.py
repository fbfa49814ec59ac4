"""What a plan says of results that other code has made, and the badge and the names that tell them apart afterwards."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from orchestrator.grid.code import code_difference, code_differences, code_label, without_code
from orchestrator.plan.changed_code import changed_code
from orchestrator.plan.plan import make_plan
from orchestrator.results.badges import update_badges
from orchestrator.store import ResultStore
from scc_core.components.component import Component
from scc_core.evaluation.threat import Adaptive
from scc_core.identity import DatasetSpec, ModelSpec
from tests.orchestrator.console import sccbench, write_grid
from tests.orchestrator.measuring import fill
from tests.orchestrator.store.builders import make_cell, start

DATASET = DatasetSpec("dtd", "1", "test", "v1", "native", "p" * 64, classes=10, size=100)
OWN = "tests.components:Blur"
A, B, C = ("ab" * 32, "cd" * 32, "ef" * 32)


def own(code: str | None, seed: int = 0, **changes):
    return make_cell(seed, **{"defense": Component("defense", OWN, code=code, randomised=False), **changes})


@pytest.fixture
def store(tmp_path):
    with ResultStore.open(f"sqlite:///{tmp_path}/results.db") as opened:
        yield opened


def lines(store, *cells) -> list[str]:
    return changed_code(make_plan(dict.fromkeys(cells, 100), store.measured_blocks), store)


def measured(store, *cells) -> str:
    return fill(store, dict.fromkeys(cells, [True] * 100))


def test_code_is_in_the_key_and_nowhere_else():
    keys = {cell.key for cell in (own(None), own(A), own(B), own("version 2"))}
    assert len(keys) == 4
    assert without_code(own(A).specification()) == own(None).specification()
    surrogate = Component("attack", "surrogate", {"code": 1, "numerics": 2}, weights={"source": A}, codes={"source": B})
    bare = replace(surrogate, codes={})
    assert without_code(make_cell(attack=surrogate).specification()) == make_cell(attack=bare).specification()


def test_every_part_of_a_cell_says_its_code():
    source = {"parameters": {"source": "mine:tiny"}, "weights": {"source": A}, "codes": {"source": B}}
    cell = make_cell(
        model=ModelSpec("mine:tiny", A, code=B),
        dataset=replace(DATASET, numerics=2),
        attack=Component("attack", "surrogate", **source),
        defense=Component("defense", OWN, code="version 2.1", version=3),
    )
    assert code_label(cell.specification()) == (
        "model cdcdcdcdcdcd; dataset numerics 2; attack source cdcdcdcdcdcd; defense version 2.1 numerics 3"
    )
    assert code_label(make_cell().specification()) is None


def test_a_new_version_of_a_threat_model_is_another_key(monkeypatch):
    cell, plain = make_cell(adaptive=Adaptive("bpda", 1)), make_cell()
    before, untouched = cell.specification(), plain.specification()
    monkeypatch.setattr(Adaptive, "version", 2)
    assert cell.specification() != before
    assert plain.specification() == untouched
    assert without_code(cell.specification()) == before
    assert code_label(cell.specification()) == "attack adaptive numerics 2"
    assert code_difference(before, cell.specification()) == "the numerics of adaptive have changed since"


def test_a_plan_says_which_code_has_changed(store):
    run = measured(store, own(A), own(A, 1), make_cell())
    assert lines(store, own(A), own(A, 1), make_cell()) == []
    assert lines(store, own(B), own(B, 1), own(B, 2), make_cell()) == [
        f"the code of {OWN} has changed since run {run}: 2 cells to measure again"
    ]
    assert lines(store, own("version 2")) == [f"the code of {OWN} has changed since run {run}: 1 cell to measure again"]


def test_other_cells_of_the_component_are_no_former_ones(store):
    measured(store, own(A))
    other = Component("defense", OWN, {"noisy": True}, OWN, code=B)
    assert lines(store, own(B, 7), own(B, defense=other), own(B, epsilon_255=8.0)) == []


def test_the_newest_run_is_named_and_what_is_measured_again_is_not(store):
    measured(store, own(A))
    second = measured(store, own(B))
    assert lines(store, own(C)) == [f"the code of {OWN} has changed since run {second}: 1 cell to measure again"]
    assert lines(store, own(A), own(B)) == []
    third = measured(store, own(A))
    assert f"since run {third}" in lines(store, own(C))[0]


def test_a_run_that_measured_nothing_is_none(store):
    start(store, own(A), 100)
    assert lines(store, own(B)) == []


def test_raising_the_samples_of_measured_cells_is_no_change(store):
    measured(store, own(A))
    measured(store, own(B))
    plan = make_plan({own(B): 200}, store.measured_blocks)
    assert plan.missing == 2
    assert changed_code(plan, store) == []


def test_code_that_was_not_recorded_is_said_to_be_so(store):
    model, data = ModelSpec("mine:tiny", A), replace(DATASET, name="mine:data")
    run = measured(store, own(None, model=model, dataset=data), own(None, 1))
    now = own(A, model=replace(model, code=B), dataset=replace(data, code=C))
    assert lines(store, now, own(A, 1)) == [
        f"the code of mine:tiny, mine:data and {OWN} was not recorded in run {run}: 1 cell to measure again",
        f"the code of {OWN} was not recorded in run {run}: 1 cell to measure again",
    ]


def test_numerics_of_scc_bench_that_changed_are_said_to_have(store):
    ttc = Component("defense", "ttc", randomised=True)
    run = measured(store, make_cell(defense=ttc))
    assert lines(store, make_cell(defense=replace(ttc, version=2))) == [
        f"the numerics of ttc have changed since run {run}: 1 cell to measure again"
    ]


def test_what_differs_beside_code_is_no_difference_of_code():
    assert code_differences([own(A).specification()], [own(B, 1).specification()]) == []
    assert code_difference(own(A).specification(), own(A).specification()) is None


def badges(store) -> dict[str, str]:
    return {cell.key: cell.badges for cell in store.cells()}


def test_the_badge_marks_what_other_code_has_made(store):
    elsewhere = own(A, dataset=DATASET)
    update_badges(store, measured(store, own(None), own(A), elsewhere, make_cell()))
    update_badges(store, measured(store, own(B)))
    found = badges(store)
    assert all("code changed" in found[cell.key] for cell in (own(None), own(A), elsewhere))
    assert not any("code changed" in found[cell.key] for cell in (own(B), make_cell()))
    # The code of before is back.
    update_badges(store, measured(store, own(A)))
    found = badges(store)
    assert ["code changed" in found[cell.key] for cell in (own(A), elsewhere, own(B))] == [False, False, True]


def test_the_badge_stands_beside_others(store):
    noisy = Component("defense", OWN, code=A, randomised=True)
    update_badges(store, measured(store, own(A, defense=noisy)))
    update_badges(store, measured(store, own(B, defense=replace(noisy, code=B))))
    assert badges(store) == {
        own(A).key: "one draw, code changed",
        own(B).key: "one draw",
    }


DEFENSE = """
from dataclasses import dataclass
import own_helper
from scc_core import Defense

@dataclass(frozen=True)
class Blur(Defense):
    def correct(self, model, pixels, noise):
        return pixels * own_helper.STRENGTH
"""


@pytest.mark.slow
def test_a_user_edits_a_defense(tmp_path):
    """From the plan over a resumed run to the query, with the command that is installed."""
    (tmp_path / "mine.py").write_text(DEFENSE)
    (tmp_path / "own_helper.py").write_text("STRENGTH = 1.0\n")
    grid = write_grid(tmp_path, {"defenses": "[none, 'mine:Blur']", "max_samples": "50"})
    first = sccbench("run", str(grid), folder=tmp_path)
    assert first.returncode == 0, first.stdout + first.stderr
    run = re.search(r"run (\S+):", first.stdout)[1]
    planned = sccbench("plan", str(grid), folder=tmp_path).stdout
    assert "to measure again" not in planned
    (tmp_path / "own_helper.py").write_text("STRENGTH = 0.0\n")
    said = "the code of mine:Blur has changed since run"
    planned = sccbench("plan", str(grid), folder=tmp_path).stdout
    assert f"{said} {run}: 2 cells to measure again\n" in planned
    resumed = sccbench("resume", run, folder=tmp_path)
    assert (resumed.returncode, len(resumed.stderr.splitlines())) == (2, 1)
    assert "2 of the 4 cells" in resumed.stderr
    assert "those that it was planned with (the code of mine:Blur has changed since the run);" in resumed.stderr
    second = sccbench("run", str(grid), folder=tmp_path)
    assert f"{said} {run}: 2 cells to measure again\n" in second.stdout
    assert second.returncode == 0, second.stdout + second.stderr
    query = "SELECT code, correct, badges FROM results WHERE defense = 'mine:Blur' AND epsilon_255 = 0"
    rows = sccbench("query", query, folder=tmp_path).stdout
    assert rows.count("code changed") == 1
    assert len(set(re.findall(r"defense [0-9a-f]{12}", rows))) == 2
