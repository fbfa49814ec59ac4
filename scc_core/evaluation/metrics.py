"""Metrics of per-sample outcomes: plain functions of numpy arrays.

Everything is computed from the samples themselves and never from averages, so that a metric of a cell is the metric of
all of its blocks at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

NORMAL_97_5 = 1.959963984540054
"""The 97.5 % quantile of the standard normal distribution."""

STANDARD_ERRORS = 2.0
"""Half the width of the interval of a mean: 1.96 rounded up, as where Agresti and Coull's four samples come from."""

ADDED_SAMPLES = STANDARD_ERRORS**2
"""Half of them right: what Agresti and Coull, "Approximate is better than 'exact'", The American Statistician 52, 1998,
add to one proportion, and Price and Bonett to all proportions of a mean together."""

CALIBRATION_BINS = 15
"""The number of bins of Guo et al., "On calibration of modern neural networks", ICML 2017, arXiv 1706.04599."""


class Interval(NamedTuple):
    """The two ends of a confidence interval."""

    low: float
    high: float


class McNemar(NamedTuple):
    """A paired comparison of two classifiers on the same samples.

    Attributes:
        first_only: samples that only the first classifies correctly.
        second_only: samples that only the second classifies correctly.
        p_value: probability of a split at least as uneven if each were as likely to be the one that is right.
    """

    first_only: int
    second_only: int
    p_value: float

    def first_is_better(self, level: float) -> bool:
        """Tell whether the first classifies significantly more samples correctly, at the two-sided ``level``."""
        return self.first_only > self.second_only and self.p_value < level


class Confusion(NamedTuple):
    """One class against the rest, for each of ``K`` classes; NaN where the labels leave it undefined.

    Attributes:
        sensitivity: ``(K,)`` float64, share of the samples of the class that are predicted as it.
        specificity: ``(K,)`` float64, share of the other samples that are not predicted as it.
        support: ``(K,)`` int64, samples of the class.
    """

    sensitivity: Floats
    specificity: Floats
    support: npt.NDArray[np.int64]


def wilson_interval(correct: int, samples: int) -> Interval:
    """Return the 95 % Wilson score interval of the share ``correct / samples``; NaN without samples.

    Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927.
    """
    if samples == 0:
        return Interval(math.nan, math.nan)
    share, z_squared = correct / samples, NORMAL_97_5**2
    centre = share + z_squared / (2 * samples)
    half_width = NORMAL_97_5 * math.sqrt(share * (1 - share) / samples + z_squared / (4 * samples**2))
    scale = 1 + z_squared / samples
    low = 0.0 if correct == 0 else (centre - half_width) / scale
    high = 1.0 if correct == samples else (centre + half_width) / scale
    return Interval(low, high)


def mean_interval(counts: Sequence[tuple[int, int]]) -> Interval:
    """Return a 95 % interval of the mean of independent accuracies, each with the same weight; of one, Wilson's.

    See :func:`mean_limits`.

    Args:
        counts: correct and all samples of each, one or more, none without samples.
    """
    correct, samples = (np.array(column, np.float64) for column in zip(*counts, strict=True))
    if len(correct) == 1:
        return wilson_interval(int(correct[0]), int(samples[0]))
    low, high = mean_limits(correct, samples)
    return Interval(float(low), float(high))


def mean_limits(correct: Floats, samples: Floats) -> tuple[Floats, Floats]:
    """Return the ends of a 95 % interval of the mean of independent accuracies, each with the same weight.

    The interval of Price and Bonett, "An improved confidence interval for a linear function of binomial proportions",
    Computational Statistics & Data Analysis 45, 2004: two right and two wrong samples are added before the normal
    interval is taken. Where theirs adds the same to each proportion, this adds in proportion to ``1 / samples``, which
    is how much one sample of it weighs in the mean, and its variances are the unbiased ones, over ``samples - 1``. So
    it covers where accuracies are near 0 or 1, and where one dataset is far smaller than the others.

    Args:
        correct: ``(..., K)`` correct samples of each of two or more accuracies.
        samples: ``(K,)`` or ``(..., K)`` all samples of each, 1 or more.

    Returns:
        ``(...,)`` the lower and the upper ends, in [0, 1], with the mean between them.
    """
    weights = 1 / samples
    added = ADDED_SAMPLES * weights / weights.sum(axis=-1, keepdims=True)
    shares = (correct + added / 2) / (samples + added)
    variances = shares * (1 - shares) / np.maximum(samples - 1, 1)
    centre = shares.mean(axis=-1)
    half_width = STANDARD_ERRORS * np.sqrt(variances.sum(axis=-1)) / shares.shape[-1]
    return np.maximum(centre - half_width, 0.0), np.minimum(centre + half_width, 1.0)


def mcnemar(first: Bools, second: Bools) -> McNemar:
    """Return the exact two-sided McNemar test of two classifiers.

    McNemar, "Note on the sampling error of the difference between correlated proportions", Psychometrika 1947; exact:
    the binomial distribution of the samples that only one of the two gets right, with probability 1/2.

    Args:
        first: ``(N,)`` whether the first is right on each sample.
        second: ``(N,)`` the same samples in the same order.
    """
    first_only = int(np.count_nonzero(first & ~second))
    second_only = int(np.count_nonzero(second & ~first))
    fewer, total = min(first_only, second_only), first_only + second_only
    if 2 * fewer >= total - 1:
        return McNemar(first_only, second_only, 1.0)
    ratios = np.arange(total, total - fewer, -1) / np.arange(1, fewer + 1)
    # In logarithms, because 2^total leaves the range of a float above a thousand samples.
    log_terms = np.concatenate([[0.0], np.cumsum(np.log(ratios))]) - total * math.log(2)
    return McNemar(first_only, second_only, float(min(1.0, 2 * np.exp(log_terms).sum())))


def holm(p_values: Floats) -> Floats:
    """Return the p-values of a family of tests, adjusted so that the chance of any false discovery keeps the level.

    Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6, 1979: the
    smallest of ``M`` is multiplied by ``M``, the next by ``M - 1``, and none becomes smaller than one before it.

    Args:
        p_values: ``(M,)`` of all tests of the family.

    Returns:
        ``(M,)`` in the same order, at most 1.
    """
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    adjusted: Floats = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(p_values[order] * factors), 1.0)
    return adjusted


def attack_success(undefended_clean: Bools, attacked: Bools) -> float:
    """Return the share of the samples that are right undefended and clean, and are wrong under attack.

    Args:
        undefended_clean: ``(N,)`` whether the undefended model is right on the clean image.
        attacked: ``(N,)`` whether the prediction under attack is right.

    Returns:
        The share, or NaN if no sample is right when clean.
    """
    attackable = np.count_nonzero(undefended_clean)
    return float(np.count_nonzero(undefended_clean & ~attacked) / attackable) if attackable else math.nan


def calibration_error(confidences: npt.NDArray[np.floating], correct: Bools) -> float:
    """Return the expected calibration error over 15 bins of equal width; NaN without samples.

    Guo et al., ICML 2017, Eq. 3: ``sum_m |B_m| / N * |accuracy(B_m) - confidence(B_m)|``, bin ``m`` holding the
    confidences in ``((m - 1) / 15, m / 15]``.

    Args:
        confidences: ``(N,)`` in [0, 1], probability of the predicted class.
        correct: ``(N,)`` whether the prediction is right.
    """
    if not len(correct):
        return math.nan
    edges = np.arange(1, CALIBRATION_BINS) / CALIBRATION_BINS
    bins = np.searchsorted(edges, confidences.astype(np.float64), side="left")
    gaps = np.bincount(bins, weights=correct.astype(np.float64) - confidences)
    return float(np.abs(gaps).sum() / len(correct))


def confusion(labels: npt.NDArray[np.integer], predictions: npt.NDArray[np.integer], num_classes: int) -> Confusion:
    """Return sensitivity and specificity of every class against the rest.

    Args:
        labels: ``(N,)`` true classes in ``[0, num_classes)``.
        predictions: ``(N,)`` predicted classes in the same range.
        num_classes: ``K``.
    """
    support = np.bincount(labels, minlength=num_classes)
    predicted = np.bincount(predictions, minlength=num_classes)
    hits = np.bincount(labels[labels == predictions], minlength=num_classes)
    others = len(labels) - support
    return Confusion(_ratio(hits, support), _ratio(others - (predicted - hits), others), support)


def balanced_accuracy(labels: npt.NDArray[np.integer], predictions: npt.NDArray[np.integer], num_classes: int) -> float:
    """Return the mean sensitivity of the classes that occur among the labels; NaN without samples.

    Brodersen et al., "The balanced accuracy and its posterior distribution", ICPR 2010. Arguments as in
    :func:`confusion`.
    """
    return _mean_of_defined(confusion(labels, predictions, num_classes).sensitivity)


def class_aucs(labels: npt.NDArray[np.integer], scores: npt.NDArray[np.floating]) -> Floats:
    """Return the area under the ROC curve of each class against the rest, ``(K,)``; NaN where one side is empty.

    The area is the probability that a sample of the class has a higher score than one of the rest, ties counting half
    (Hanley and McNeil, Radiology 1982).

    Args:
        labels: ``(N,)`` true classes.
        scores: ``(N, K)``, higher where the class is more likely.
    """
    areas: Floats = np.full(scores.shape[1], np.nan)
    for index, column in enumerate(scores.T):
        positive = labels == index
        positives, negatives = np.count_nonzero(positive), np.count_nonzero(~positive)
        if positives and negatives:
            _, group, sizes = np.unique(column, return_inverse=True, return_counts=True)
            # Equal scores share the mean of the ranks, counted from 1, that they take together.
            ranks = (np.cumsum(sizes) - (sizes - 1) / 2)[group]
            areas[index] = (ranks[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives)
    return areas


def macro_auc(labels: npt.NDArray[np.integer], scores: npt.NDArray[np.floating]) -> float:
    """Return the mean of :func:`class_aucs` over the classes for which it is defined; NaN if there is none."""
    return _mean_of_defined(class_aucs(labels, scores))


def _ratio(part: npt.NDArray[np.int64], whole: npt.NDArray[np.int64]) -> Floats:
    ratio: Floats = np.full(len(whole), np.nan)
    np.divide(part, whole, out=ratio, where=whole > 0)
    return ratio


def _mean_of_defined(values: Floats) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else math.nan
