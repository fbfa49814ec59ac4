"""Results over several cells, against plain numpy and scipy on the same hits."""

from __future__ import annotations

from itertools import product

import numpy as np
import polars as pl
import pytest
from scipy.stats import binomtest

from orchestrator.results.cell_metrics import cell_metrics
from orchestrator.results.comparisons import (
    DRAWS_SCHEMA,
    MIN_OVER_ATTACKS_SCHEMA,
    PAIRED_SCHEMA,
    draws,
    min_over_attacks,
    paired,
)
from orchestrator.store import ResultStore
from scc_core.components.component import Component
from scc_core.evaluation.threat import Adaptive
from tests.orchestrator.measuring import attack, clean, defense, fill
from tests.orchestrator.store.builders import make_block, make_cell, make_record

NONE, FLIP, SHIFT, NOISE, TTE = (defense(name) for name in ("none", "flip", "shift", "random-noise", "tte"))
PGD, SQUARE = attack("pgd"), attack("square")
BPDA = Adaptive("bpda", 1)


@pytest.fixture
def store(tmp_path):
    with ResultStore.open(f"sqlite:///{tmp_path}/results.db") as opened:
        yield opened


def attacked(spec=PGD, seed=0, **changes):
    return make_cell(seed, **{"attack": spec, "defense": NONE, **changes})


def random_hits(seed: int, share: float, samples: int = 130) -> np.ndarray:
    return np.random.default_rng(seed).random(samples) < share


def test_min_over_attacks_counts_the_samples_that_survive_every_attack(store):
    pgd, square, fgsm = (random_hits(number, 0.7) for number in range(3))
    other_epsilon = attacked(attack("fgsm"), epsilon_255=1.0)
    run = fill(
        store,
        {
            clean(defense=NONE): random_hits(9, 0.1),
            attacked(PGD): pgd,
            attacked(SQUARE): square,
            other_epsilon: fgsm,
            attacked(PGD, defense=FLIP): fgsm,
            attacked(PGD, seed=1): fgsm,
        },
    )
    frame = min_over_attacks(store, store.cells(run))
    assert frame.schema == pl.Schema(MIN_OVER_ATTACKS_SCHEMA)
    assert frame.height == 4
    row = frame.row(by_predicate=pl.col("attacks") == 2, named=True)
    expected = int((pgd & square).sum())
    interval = binomtest(expected, 130).proportion_ci(method="wilson")
    assert (row["attack_names"], row["samples"], row["correct"]) == ("pgd, square", 130, expected)
    assert (row["accuracy_low"], row["accuracy_high"]) == pytest.approx((interval.low, interval.high), abs=1e-12)
    assert row["accuracy"] < min(pgd.mean(), square.mean())


def test_min_over_attacks_never_mixes_threat_models(store):
    run = fill(
        store, {attacked(defense=FLIP): random_hits(0, 0.9), attacked(defense=FLIP, adaptive=BPDA): random_hits(1, 0.5)}
    )
    frame = min_over_attacks(store, store.cells(run))
    assert dict(frame.select("threat_model", "correct").rows()) == {
        "transfer": random_hits(0, 0.9).sum(),
        "adaptive": random_hits(1, 0.5).sum(),
    }


def test_min_over_attacks_never_mixes_norms(store):
    euclidean = attack("pgd", norm="l2", step_size=0.005)
    run = fill(store, {attacked(): random_hits(0, 0.9), attacked(euclidean): random_hits(1, 0.5)})
    frame = min_over_attacks(store, store.cells(run))
    assert frame.sort("norm").select("norm", "epsilon_255", "attacks", "correct").rows() == [
        ("l2", None, 1, random_hits(1, 0.5).sum()),
        ("linf", 4.0, 1, random_hits(0, 0.9).sum()),
    ]
    assert frame["epsilon"].to_list() == pytest.approx([4 / 255] * 2)
    for frame in (draws(store, store.cells(run)), cell_metrics(store, store.cells(run))):
        assert set(frame.select("norm", "epsilon_255").rows()) == {("l2", None), ("linf", 4.0)}


def test_a_run_counts_its_own_prefix_and_only_common_samples(store):
    pgd, square = random_hits(0, 0.7), random_hits(1, 0.7)
    fill(store, {attacked(PGD): pgd, attacked(SQUARE): square[:100]})
    run = store.start_run(make_record(), {attacked(PGD): 70, attacked(SQUARE): 70})
    for cells, samples in ((store.cells(run), 70), (store.cells(), 100)):
        row = min_over_attacks(store, cells).row(0, named=True)
        assert (row["samples"], row["correct"]) == (samples, (pgd & np.pad(square[:100], (0, 30)))[:samples].sum())


def test_draws_give_the_mean_the_deviation_and_the_worst_of_all_seeds(store):
    hits = {seed: random_hits(seed, 0.8) for seed in range(3)}
    cells = {attacked(defense=NOISE, seed=seed): right for seed, right in hits.items()}
    run = fill(store, {**cells, attacked(defense=FLIP): random_hits(7, 0.5)})
    frame = draws(store, store.cells(run))
    assert frame.schema == pl.Schema(DRAWS_SCHEMA)
    single, several = frame.sort("draws").iter_rows(named=True)
    stacked = np.stack(list(hits.values()))
    worst = stacked.all(axis=0)
    assert (several["defense"], several["randomised"], several["draws"]) == ("random-noise", True, 3)
    assert several["mean_accuracy"] == pytest.approx(stacked.mean())
    assert several["deviation"] == pytest.approx(np.std([right.mean() for right in stacked], ddof=1))
    assert several["worst_accuracy"] == pytest.approx(worst.mean())
    interval = binomtest(int(worst.sum()), 130).proportion_ci(method="wilson")
    assert (several["worst_low"], several["worst_high"]) == pytest.approx((interval.low, interval.high), abs=1e-12)
    assert (single["randomised"], single["deviation"]) == (False, None)
    assert single["mean_accuracy"] == single["worst_accuracy"]


def test_paired_tests_against_none_and_the_best_control_on_the_same_samples(store):
    hits = {
        name: random_hits(number, share)
        for number, (name, share) in enumerate({"none": 0.2, "flip": 0.4, "shift": 0.6, "tte": 0.5}.items())
    }
    specs = {"none": NONE, "flip": FLIP, "shift": SHIFT, "tte": TTE}
    run = fill(store, {attacked(defense=specs[name]): right for name, right in hits.items()})
    frame = paired(store, store.cells(run))
    assert frame.schema == pl.Schema(PAIRED_SCHEMA)
    rows = {(row["defense"], row["compared_with"]): row for row in frame.iter_rows(named=True)}
    references = {key: row["reference"] for key, row in rows.items() if key[1] == "best control"}
    assert references == {
        ("tte", "best control"): "shift",
        ("flip", "best control"): "shift",
        ("shift", "best control"): "flip",
    }
    assert len(rows) == 6
    for (name, _), row in rows.items():
        own, other = hits[name], hits[row["reference"]]
        first, second = int((own & ~other).sum()), int((other & ~own).sum())
        assert (row["only_defense"], row["only_reference"], row["samples"]) == (first, second, 130)
        assert row["p_value"] == pytest.approx(binomtest(first, first + second).pvalue, rel=1e-9)
        assert row["difference"] == pytest.approx(own.mean() - other.mean())
        assert row["reference_accuracy"] == pytest.approx(other.mean())


def test_paired_tests_are_corrected_over_the_defenses_that_are_compared_with_the_same(store):
    conditions = list(product(("none", "flip", "shift", "tte"), (0, 1), (1.0, 4.0)))
    specs = {"none": NONE, "flip": FLIP, "shift": SHIFT, "tte": TTE}
    measured = {
        attacked(seed=seed, epsilon_255=epsilon, defense=specs[name]): random_hits(rank, 0.1 + 0.02 * rank)
        for rank, (name, seed, epsilon) in enumerate(conditions)
    }
    adaptive = {attacked(defense=spec, adaptive=BPDA): random_hits(99, 0.3) for spec in (FLIP, TTE)}
    frame = paired(store, store.cells(fill(store, {**measured, **adaptive})))
    keys = ["epsilon_255", "seed", "threat_model", "compared_with"]
    sizes = {}
    for key, family in frame.group_by(keys):
        expected = by_hand(family["p_value"].to_list())
        assert family["p_holm"].to_list() == pytest.approx(expected)
        assert family["family"].unique().to_list() == [family.height]
        sizes[key] = family.height
    assert sizes == {
        **{(epsilon, seed, "transfer", "none"): 3 for epsilon in (1.0, 4.0) for seed in (0, 1)},
        **{(epsilon, seed, "transfer", "best control"): 3 for epsilon in (1.0, 4.0) for seed in (0, 1)},
        (4.0, 0, "adaptive", "none"): 2,
        (4.0, 0, "adaptive", "best control"): 1,
    }


def by_hand(p_values):
    """Holm's adjusted p-values by his own words: sorted, times what is left, never falling."""
    ranked = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, largest = {}, 0.0
    for rank, index in enumerate(ranked):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return [adjusted[index] for index in range(len(p_values))]


def test_a_control_of_the_user_s_own_is_a_control_where_its_code_is_not_at_hand(store):
    own = Component("defense", "gone.module:Mirror", control=True, randomised=False)
    silent = Component("defense", "gone.module:Old")
    measured = [(TTE, 0.4), (FLIP, 0.5), (own, 0.9), (silent, 0.95)]
    cells = {attacked(defense=spec): random_hits(7, share) for spec, share in measured}
    fill(store, cells)
    rows = paired(store, store.cells()).filter(pl.col("compared_with") == "best control")
    assert dict(rows.select("defense", "reference").iter_rows()) == {
        "tte": own.label,
        "flip": own.label,
        own.label: "flip",
        silent.label: own.label,
    }
    told = draws(store, store.cells()).select("defense", "randomised")
    assert dict(told.iter_rows()) == {"tte": True, "flip": False, own.label: False, silent.label: None}


def test_an_adaptive_attack_is_compared_with_the_undefended_model_and_with_adaptively_attacked_controls(store):
    run = fill(
        store,
        {
            attacked(): random_hits(0, 0.1),
            attacked(defense=FLIP): random_hits(1, 0.9),
            attacked(defense=FLIP, adaptive=BPDA): random_hits(2, 0.3),
            attacked(defense=TTE, adaptive=BPDA): random_hits(3, 0.4),
        },
    )
    frame = paired(store, store.cells(run)).filter(pl.col("defense") == "tte")
    assert dict(frame.select("compared_with", "reference_accuracy").rows()) == {
        "none": pytest.approx(random_hits(0, 0.1).mean()),
        "best control": pytest.approx(random_hits(2, 0.3).mean()),
    }


def test_nothing_measured_gives_empty_tables_of_the_same_columns(store):
    run = store.start_run(make_record(), {attacked(): 50})
    tables = {min_over_attacks: MIN_OVER_ATTACKS_SCHEMA, draws: DRAWS_SCHEMA, paired: PAIRED_SCHEMA}
    for table, schema in tables.items():
        frame = table(store, store.cells(run))
        assert frame.is_empty()
        assert frame.schema == pl.Schema(schema)


def test_cells_without_a_common_sample_have_no_accuracy(store):
    first, second = attacked(defense=NOISE), attacked(defense=NOISE, seed=1)
    store.start_run(make_record(), {first: 100, second: 100})
    run = fill(store, {first: random_hits(0, 0.5, 50)})
    store.write_blocks(run, [make_block(second, 1)])
    row = draws(store, store.cells()).row(0, named=True)
    assert (row["draws"], row["samples"], row["mean_accuracy"], row["worst_accuracy"]) == (2, 0, None, None)
