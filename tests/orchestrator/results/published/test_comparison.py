"""Measured beside published numbers: only what is comparable, and why the rest is not."""

from __future__ import annotations

import pytest

from orchestrator.results.published.comparison import COMPARISON_SCHEMA, Comparison
from orchestrator.store import ResultStore
from scc_core.evaluation.metrics import mean_interval, wilson_interval
from tests.orchestrator.measuring import evaluate_grid
from tests.orchestrator.results.published.tables import GRID, NAMES, published, row

EXCLUDE = "exclude: [{dataset: demo/digits, defense: flip}]"
OTHERS = """
name: not comparable
models: [demo-clip]
datasets: [demo/digits]
attacks: [{pgd: {num_steps: 3}}]
epsilons: [4/255]
threat_models: [adaptive]
defenses: [flip]
preprocessing: paper
max_samples: 50
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A database of real measurements of an embedded model under the tables' conditions."""
    url = f"sqlite:///{tmp_path_factory.mktemp('published')}/results.db"
    with ResultStore.open(url) as opened:
        evaluate_grid(opened, f"{GRID}max_samples: 50\n{EXCLUDE}")
        yield opened


def rows_of(store, tables, run=None):
    return Comparison(store, tables, run).table().to_dicts()


def result(store, dataset: str, epsilon: float, defense: str = "none"):
    """What the public view says of a cell."""
    (found,) = [
        one
        for one in store.results().iter_rows(named=True)
        if (one["dataset"], one["epsilon_255"], one["defense"]) == (dataset, epsilon, defense)
        and one["preprocessing"] == "paper"
        and one["threat_model"] == "transfer"
    ]
    return found


def test_a_row_gives_the_measured_cell_its_interval_and_the_difference(store, tmp_path):
    robust, clean = rows_of(store, published(tmp_path, row("Shapes", 40.0, 97.5)))
    for found, epsilon, expected in ((robust, 4.0, 0.4), (clean, 0.0, 0.975)):
        measured = result(store, "demo/shapes", epsilon)
        assert list(found) == list(COMPARISON_SCHEMA)
        assert (found["samples"], found["images"], found["seed"]) == (50, 1200, 0)
        assert (found["measured_model"], found["measured_dataset"]) == ("demo-clip", "demo/shapes")
        assert found["accuracy"] == measured["accuracy"]
        low, high = wilson_interval(measured["correct"], 50)
        assert (found["accuracy_low"], found["accuracy_high"]) == pytest.approx((low, high))
        assert found["difference"] == pytest.approx(measured["accuracy"] - expected)
        assert found["within"] == (low - 5e-5 <= expected <= high + 5e-5)
        assert found["reason"] is None
    assert (robust["attack"], robust["epsilon_255"]) == ("PGD-3", 4.0)
    assert (clean["attack"], clean["epsilon_255"], clean["table_epsilon_255"]) == ("none", 0.0, 4.0)


def test_within_is_yes_up_to_the_ends_of_the_interval_and_no_beyond(store, tmp_path):
    measured = result(store, "demo/shapes", 4.0)
    low, high = wilson_interval(measured["correct"], measured["samples"])
    expected = {100 * low - 0.02: False, 100 * low + 0.02: True, 100 * high - 0.02: True, 100 * high + 0.02: False}
    for index, (percent, within) in enumerate(expected.items()):
        (found,) = rows_of(store, published(tmp_path / str(index), row("Shapes", percent)))
        assert found["within"] is within


def test_a_figure_that_was_read_off_is_within_its_own_error(store, tmp_path):
    measured = result(store, "demo/shapes", 4.0)
    low = 100 * wilson_interval(measured["correct"], measured["samples"]).low
    coarse = {**NAMES, "sources": {"A paper": {"reference": "a figure", "resolution": 0.15}}}
    (exact,) = rows_of(store, published(tmp_path / "exact", row("Shapes", low - 0.1)))
    (read_off,) = rows_of(store, published(tmp_path / "read off", row("Shapes", low - 0.1), names=coarse))
    assert (exact["within"], read_off["within"]) == (False, True)


def test_a_mean_has_every_member_with_the_same_weight(store, tmp_path):
    robust, clean = rows_of(store, published(tmp_path, row("mean of 2", 40.0, 90.0)))
    for found, epsilon in ((robust, 4.0), (clean, 0.0)):
        members = [result(store, name, epsilon) for name in ("demo/shapes", "demo/digits")]
        assert found["accuracy"] == pytest.approx(sum(member["accuracy"] for member in members) / 2)
        assert (found["samples"], found["images"]) == (100, 1800)
        expected = mean_interval([(member["correct"], member["samples"]) for member in members])
        assert (found["accuracy_low"], found["accuracy_high"]) == expected


def test_a_mean_is_not_computed_while_a_member_is_missing(store, tmp_path):
    robust, clean = rows_of(store, published(tmp_path, row("mean of 2", 40.0, 90.0, defense="flipped")))
    for found in (robust, clean):
        assert found["accuracy"] is None
        assert found["reason"] == "1 of the 2 members of the mean are missing: Digits"


def test_every_copy_of_a_dataset_is_a_row_and_the_first_enters_the_mean(store, tmp_path):
    copies = {
        **NAMES["datasets"],
        "Shapes": {"names": ["demo/digits", "demo/shapes"], "images": 1200},
        "Digits": {"names": ["demo/shapes"], "images": 600},
    }
    tables = published(tmp_path, row("Shapes", 40.0), row("mean of 2", 40.0), names={**NAMES, "datasets": copies})
    *singles, mean = rows_of(store, tables)
    accuracies = {name: result(store, name, 4.0)["accuracy"] for name in ("demo/shapes", "demo/digits")}
    assert {one["measured_dataset"]: one["accuracy"] for one in singles} == accuracies
    assert mean["measured_dataset"] == "demo/digits, demo/shapes"
    assert mean["accuracy"] == pytest.approx(sum(accuracies.values()) / 2)


def test_a_number_without_a_counterpart_says_why(store, tmp_path):
    tables = published(
        tmp_path,
        row("Shapes", 1.0, model="Tuned CLIP"),
        row("mean of 2", 1.0, model="Tuned CLIP"),
        row("Shapes", 1.0, epsilon_255=1),
        row("Digits", 1.0, defense="flipped"),
    )
    assert [(found["reason"], found["accuracy"]) for found in rows_of(store, tables)] == [
        ("no counterpart: Tuned CLIP is a checkpoint that nobody has", None),
        ("no counterpart: Tuned CLIP is a checkpoint that nobody has", None),
        ("not measured", None),
        ("not measured", None),
    ]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"conditions": {"preprocessing": "native", "precision": "float32"}}, "preprocessing paper"),
        ({"conditions": {"preprocessing": "paper", "precision": "bfloat16"}}, "precision float32"),
        ({"attacks": {"PGD-3": "pgd"}}, "attack pgd(num_steps=3)"),
        ({"attacks": {"PGD-3": {"pgd": {"num_steps": 3, "step_size": "2/255"}}}}, "attack pgd(num_steps=3)"),
        ({"defenses": {"none": "none", "flipped": {"shift": {"right": 2}}}}, ""),
    ],
    ids=["preprocessing", "precision", "steps", "step size", "another defense"],
)
def test_what_differs_in_one_condition_is_not_compared(store, tmp_path, change, reason):
    tables = published(tmp_path, row("Shapes", 1.0, defense="flipped"), names={**NAMES, **change})
    (found,) = rows_of(store, tables)
    assert found["accuracy"] is None
    assert found["reason"] == (f"measured only with {reason}" if reason else "not measured")


def test_adaptive_never_stands_beside_transfer(store, tmp_path):
    evaluate_grid(store, OTHERS)
    (found,) = rows_of(store, published(tmp_path, row("Digits", 1.0, defense="flipped")))
    assert found["reason"] == "measured only with threat model adaptive"
    assert found["accuracy"] is None


def test_a_run_is_compared_on_its_own_samples(store, tmp_path):
    run = evaluate_grid(store, f"{GRID}max_samples: 30\n{EXCLUDE}")
    tables = published(tmp_path, row("Shapes", 40.0))
    (prefix,) = rows_of(store, tables, run)
    (everything,) = rows_of(store, tables)
    assert (prefix["samples"], everything["samples"]) == (30, 50)


def test_every_seed_is_a_row_of_its_own(tmp_path):
    with ResultStore.open(f"sqlite:///{tmp_path}/seeds.db") as store:
        evaluate_grid(store, f"{GRID}max_samples: 10\nseeds: [0, 1]\n{EXCLUDE}")
        tables = published(tmp_path / "published", row("Shapes", 40.0), row("mean of 2", 40.0))
        assert [(found["dataset"], found["seed"]) for found in rows_of(store, tables)] == [
            ("Shapes", 0),
            ("Shapes", 1),
            ("mean of 2", 0),
            ("mean of 2", 1),
        ]


def gate_results(store, tmp_path, name: str, **changes):
    gate = {**NAMES["gates"][0], **changes}
    return Comparison(store, published(tmp_path / name, names={**NAMES, "gates": [gate]})).gates()


def test_the_gate_passes_on_what_it_expects_and_fails_elsewhere(store, tmp_path):
    (clean,) = gate_results(store, tmp_path, "clean")
    assert clean.measured is not None
    low, high = (100 * end for end in clean.measured.interval)
    for name, expected, passed in (
        ("below", low - 1.02, False),
        ("low", low - 0.98, True),
        ("high", min(high + 0.98, 100), True),
        ("other", 20.0, False),
    ):
        (found,) = gate_results(store, tmp_path, name, expected=expected, tolerance=1.0)
        assert found.passed is passed
    (attacked,) = gate_results(store, tmp_path, "attacked", attack="PGD-3", epsilon_255=4, expected=99, tolerance=1.0)
    assert attacked.passed is False
    assert attacked.measured.accuracy < clean.measured.accuracy


def test_the_gate_is_not_decided_while_a_member_is_missing(store, tmp_path):
    (found,) = gate_results(store, tmp_path, "missing", defense="flipped")
    assert (found.passed, found.measured) == (None, None)
    assert found.reason == "1 of the 2 members of the mean are missing: Digits"
