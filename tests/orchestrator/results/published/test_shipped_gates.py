"""The shipped sanity gates: undefended CLIP over all 16 datasets, with hits that a test chooses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.grid.cell import Cell
from orchestrator.results.published import shipped
from orchestrator.results.published.comparison import Comparison
from orchestrator.store import ResultStore
from scc_core.identity import ModelSpec
from tests.orchestrator.measuring import attack, clean, defense, fill, first_right
from tests.orchestrator.store.builders import make_cell

SAMPLES = 400
DATASETS = [shipped().names.datasets[name].names[0] for name in shipped().names.means["mean of 16"]]


def cell(dataset: str, epsilon: float) -> Cell:
    parts = {
        "model": ModelSpec("openai/ViT-B-32", "d" * 64),
        "dataset": replace(make_cell().dataset, name=dataset, preprocessing="paper"),
        "defense": defense("none"),
    }
    return make_cell(attack=attack("pgd"), epsilon_255=epsilon, **parts) if epsilon else clean(**parts)


def gates(folder, epsilon: float, right: int, datasets=DATASETS):
    """The gate at an epsilon, where of each dataset the first ``right`` of 400 are right; and the whole comparison."""
    with ResultStore.open(f"sqlite:///{folder}/results.db") as store:
        fill(store, {cell(name, epsilon): first_right(right, SAMPLES) for name in datasets})
        comparison = Comparison(store, shipped())
        (found,) = [result for result in comparison.gates() if result.gate.epsilon_255 == epsilon]
        return found, comparison.table()


# The mean of 16 times 400 samples has an interval of about 1.2 points either way at 61.5 %, 0.3 at 2.7 % and 0.1 at 0.
@pytest.mark.parametrize(
    ("epsilon", "right", "passed"),
    [
        (0.0, 246, True),
        (0.0, 230, False),
        (0.0, 262, False),
        (1.0, 11, True),
        (1.0, 30, False),
        (4.0, 0, True),
        (4.0, 8, False),
    ],
    ids=["clean", "too low", "too high", "1/255", "too robust at 1/255", "4/255", "too robust at 4/255"],
)
def test_a_gate_passes_on_what_was_published_and_fails_elsewhere(tmp_path, epsilon, right, passed):
    found, _ = gates(tmp_path, epsilon, right)
    assert found.measured is not None
    assert (found.measured.accuracy, found.measured.samples) == (pytest.approx(right / SAMPLES), 16 * SAMPLES)
    assert found.passed is passed


def test_fifteen_of_sixteen_datasets_decide_nothing(tmp_path):
    found, table = gates(tmp_path, 4.0, 0, [name for name in DATASETS if name != "dtd"])
    assert (found.passed, found.reason) == (None, "1 of the 16 members of the mean are missing: DTD")
    assert table.filter(dataset="mean of 16", defense="none", epsilon_255=4.0)["accuracy"].to_list() == [None]
    assert table.filter(epsilon_255=4.0, defense="none")["accuracy"].null_count() == 2
