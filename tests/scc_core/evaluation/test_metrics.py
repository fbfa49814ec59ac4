"""Metrics against scikit-learn and scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn import metrics as sklearn_metrics

from scc_core.evaluation.metrics import (
    attack_success,
    balanced_accuracy,
    calibration_error,
    class_aucs,
    confusion,
    holm,
    macro_auc,
    mcnemar,
    mean_interval,
    mean_limits,
    wilson_interval,
)


def bools(text: str) -> np.ndarray:
    return np.array([character == "1" for character in text])


@given(st.integers(1, 100_000), st.data())
@settings(max_examples=100)
def test_wilson_interval_is_that_of_scipy(samples, data):
    correct = data.draw(st.integers(0, samples))
    expected = binomtest(correct, samples).proportion_ci(method="wilson")
    assert wilson_interval(correct, samples) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_interval_ends_at_the_ends_of_the_range():
    assert wilson_interval(0, 7).low == 0.0
    assert wilson_interval(7, 7).high == 1.0
    assert all(math.isnan(end) for end in wilson_interval(0, 0))


def test_the_mean_of_one_accuracy_has_its_wilson_interval_and_of_equal_ones_a_narrower():
    assert mean_interval([(3, 40)]) == wilson_interval(3, 40)
    four, sixteen = mean_interval([(300, 4000)] * 4), mean_interval([(300, 4000)] * 16)
    assert (sixteen.high - sixteen.low) / (four.high - four.low) == pytest.approx(0.5, rel=0.01)


def test_the_interval_of_a_mean_is_price_and_bonett_s_for_datasets_of_one_size():
    """Two right and two wrong are shared by the datasets, the variances divide by n - 1, and 1.96 is 2."""
    counts = [(3, 50), (0, 50), (10, 50), (50, 50)]
    shares = [(correct + 2 / 4) / (50 + 4 / 4) for correct, _ in counts]
    half_width = 2 * math.sqrt(sum(share * (1 - share) / 49 for share in shares)) / 4
    centre = sum(shares) / 4
    assert mean_interval(counts) == pytest.approx((centre - half_width, centre + half_width), abs=1e-6)


CHANCES = (0.0006, 0.0018, 0.003, 0.006, 0.012, 0.03, 0.2, 0.5, 0.9, 0.97, 0.99, 0.997)
MIXED_CHANCES = (
    *((0.0006, 0.997), (0.0006, 0.03), (0.003, 0.5), (0.003, 0.97), (0.2, 0.9911), (0.9, 0.997)),
    *((0.0006, 0.003, 0.05, 0.3), (0.2, 0.6, 0.9, 0.99), (0.0006, 0.0006, 0.0006, 0.02)),
)
ALIKE = [((chance,), size) for chance in CHANCES for size in ((50,), (200,), (2000,))]
DIFFERENT = [(chances, size) for chances in MIXED_CHANCES for size in ((50,), (200,), (2000,))]
SIZES = [
    (chances, size)
    for chances in ((0.003,), (0.03,), (0.5,), *MIXED_CHANCES)
    for size in ((50, 2000), (50, *(2000,) * 15))
]


@pytest.mark.parametrize("sets", [2, 4, 6, 16])
@pytest.mark.parametrize("cases", [ALIKE, DIFFERENT, SIZES], ids=["the same chance", "other chances", "other sizes"])
def test_the_interval_of_a_mean_covers_it(sets, cases):
    """Chances from 6 in 10,000, where robust accuracies are, to 997 in 1,000, the same for every set or not."""
    generator = np.random.default_rng(sets)
    short = {}
    for chances, sizes in cases:
        chance, samples = np.resize(chances, sets), np.resize(sizes, sets).astype(float)
        low, high = mean_limits(generator.binomial(samples.astype(int), chance, (20_000, sets)).astype(float), samples)
        covered = np.mean((low <= chance.mean() + 1e-12) & (chance.mean() - 1e-12 <= high))
        if covered < 0.94:
            short[chances, sizes] = covered
    assert short == {}


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(7, 3000)), min_size=2, max_size=16))
def test_the_interval_of_a_mean_holds_it_and_stays_in_range(counts):
    low, high = mean_interval(counts)
    assert 0 <= low <= np.mean([correct / samples for correct, samples in counts]) <= high <= 1
    mirrored = mean_interval([(samples - correct, samples) for correct, samples in counts])
    assert mirrored == pytest.approx((1 - high, 1 - low))


@pytest.mark.parametrize("correct", [0, 1])
def test_the_interval_of_a_mean_of_nothing_or_everything_is_not_empty(correct):
    low, high = mean_interval([(correct * 50, 50)] * 16)
    assert (low, high)[correct] == correct
    assert 0.003 < high - low < 0.02
    assert mean_interval([(correct, 1), (correct, 1)]) == pytest.approx((0, 1), abs=0.5)


def split(first_only: int, second_only: int) -> tuple[np.ndarray, np.ndarray]:
    """Two classifiers with these disagreements, and two samples on which they agree."""
    first = np.array([True] * first_only + [False] * second_only + [True, False])
    second = np.array([False] * first_only + [True] * second_only + [True, False])
    return first, second


@given(st.integers(0, 300), st.integers(0, 300))
@settings(max_examples=150)
def test_mcnemar_is_the_exact_sign_test(first_only, second_only):
    expected = binomtest(first_only, first_only + second_only).pvalue if first_only + second_only else 1.0
    result = mcnemar(*split(first_only, second_only))
    assert (result.first_only, result.second_only) == (first_only, second_only)
    assert result.p_value == pytest.approx(expected, rel=1e-9)


def test_mcnemar_of_very_many_samples_neither_overflows_nor_vanishes():
    result = mcnemar(*split(25_500, 24_500))
    assert result.p_value == pytest.approx(binomtest(24_500, 50_000).pvalue, rel=1e-8)
    assert 1e-6 < result.p_value < 1e-4


def test_mcnemar_names_the_better_one_only_where_it_is_significant():
    assert mcnemar(*split(8, 0)).first_is_better(0.01)
    assert not mcnemar(*split(7, 0)).first_is_better(0.01)
    assert not mcnemar(*split(0, 8)).first_is_better(0.01)


def test_attack_success_counts_only_what_was_right_before():
    assert attack_success(bools("111100"), bools("011010")) == 2 / 4
    assert math.isnan(attack_success(bools("00"), bools("01")))


def test_calibration_error_of_a_case_counted_by_hand():
    confidences = np.array([0.95, 0.95, 0.95, 0.50, 0.50], np.float32)
    error = calibration_error(confidences, bools("110" + "10"))
    assert error == pytest.approx(3 / 5 * (0.95 - 2 / 3), abs=1e-7)


def test_a_confidence_on_an_edge_belongs_to_the_bin_below_it():
    # 1/15 shares a bin with 0.01, 1.0 with 0.95; apart, the errors would not cancel.
    confidences = np.array([1 / 15, 0.01, 1.0, 0.95])
    expected = (abs(1 - 1 / 15 - 0.01) + abs(1 - 1.0 - 0.95)) / 4
    assert calibration_error(confidences, bools("1001")) == pytest.approx(expected, abs=1e-12)


@given(st.integers(0, 2**32), st.integers(1, 200))
@settings(max_examples=50)
def test_calibration_error_is_the_weighted_sum_over_bins(seed, size):
    rng = np.random.default_rng(seed)
    confidences, correct = rng.random(size), rng.random(size) < 0.6
    expected = 0.0
    for index in range(15):
        inside = (confidences > index / 15) & (confidences <= (index + 1) / 15)
        if inside.any():
            expected += inside.mean() * abs(correct[inside].mean() - confidences[inside].mean())
    assert calibration_error(confidences, correct) == pytest.approx(expected, abs=1e-12)


@st.composite
def classified(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int]:
    num_classes = draw(st.integers(2, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    size = draw(st.integers(1, 80))
    return rng.integers(0, num_classes, size), rng.integers(0, num_classes, size), num_classes


@given(classified())
@settings(max_examples=60)
@pytest.mark.filterwarnings("ignore:y_pred contains classes", "ignore:A single label was found")
def test_balanced_accuracy_is_that_of_scikit_learn(case):
    labels, predictions, num_classes = case
    expected = sklearn_metrics.balanced_accuracy_score(labels, predictions)
    assert balanced_accuracy(labels, predictions, num_classes) == pytest.approx(expected, abs=1e-12)


@given(classified())
@settings(max_examples=60)
def test_sensitivity_and_specificity_are_recalls_of_scikit_learn(case):
    labels, predictions, num_classes = case
    result = confusion(labels, predictions, num_classes)
    assert result.support.tolist() == [int((labels == index).sum()) for index in range(num_classes)]
    for index in range(num_classes):
        own, found = labels == index, predictions == index
        for value, truth, guess in (
            (result.sensitivity[index], own, found),
            (result.specificity[index], ~own, ~found),
        ):
            expected = sklearn_metrics.recall_score(truth, guess, zero_division=math.nan)
            assert value == pytest.approx(expected, abs=1e-12, nan_ok=True)


@given(st.integers(0, 2**32), st.integers(2, 6), st.integers(12, 80))
@settings(max_examples=60)
def test_auc_is_that_of_scikit_learn_with_ties(seed, num_classes, size):
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(num_classes), rng.integers(0, num_classes, size)])
    # Tenths, so that many scores are equal.
    scores = np.round(rng.dirichlet(np.ones(num_classes), len(labels)), 1)
    expected = [sklearn_metrics.roc_auc_score(labels == index, scores[:, index]) for index in range(num_classes)]
    np.testing.assert_allclose(class_aucs(labels, scores), expected, atol=1e-12)
    assert macro_auc(labels, scores) == pytest.approx(np.mean(expected), abs=1e-12)


def test_macro_auc_leaves_out_classes_that_do_not_occur():
    labels = np.array([0, 0, 1, 1])
    scores = np.array([[0.9, 0.1, 0.0], [0.4, 0.5, 0.1], [0.3, 0.6, 0.1], [0.6, 0.4, 0.0]], np.float16)
    aucs = class_aucs(labels, scores)
    assert aucs[:2].tolist() == [0.75, 0.75]
    assert math.isnan(aucs[2])
    assert macro_auc(labels, scores) == 0.75
    assert math.isnan(macro_auc(np.zeros(3, int), np.ones((3, 2))))


def test_metrics_of_no_samples_are_undefined():
    nothing, no_class = np.array([], bool), np.array([], int)
    assert math.isnan(calibration_error(np.array([], np.float32), nothing))
    assert math.isnan(balanced_accuracy(no_class, no_class, 3))


def test_holm_multiplies_the_smallest_by_all_and_the_next_by_those_that_are_left():
    assert holm(np.array([0.04, 0.01, 0.03, 0.005])).tolist() == pytest.approx([0.06, 0.03, 0.06, 0.02])
    assert holm(np.array([0.6, 0.9])).tolist() == [1.0, 1.0]
    assert holm(np.array([0.2])).tolist() == [0.2]
    assert holm(np.array([])).tolist() == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0.001, 0.999))
def test_holm_rejects_what_the_step_down_procedure_rejects(p_values, level):
    rejected = 0
    for rank, p_value in enumerate(sorted(p_values)):
        if p_value * (len(p_values) - rank) > level:
            break
        rejected += 1
    adjusted = holm(np.array(p_values))
    assert int((adjusted <= level).sum()) == rejected
    assert (adjusted >= np.array(p_values)).all()
