"""Pools counts over seeds, averages over datasets, and gives both their intervals.

Every interval is two-sided, 95 %. Seeds repeat the attack and the defense on the *same* images, so an interval
counts an image once, however many seeds measured it: with perfectly dependent seeds that is exact, otherwise it is
cautious.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from scc_core.evaluation.metrics import ADDED_SAMPLES, STANDARD_ERRORS
from scc_core.evaluation.metrics import NORMAL_97_5 as Z

POOL_KEYS = ("model", "dataset", "attack", "epsilon_255", "threat_model", "defense")
"""What makes an accuracy of its own; the seeds below it are pooled."""


def wilson_limits(proportion: pl.Expr, trials: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """Return the lower and upper limit of Wilson's score interval (JASA 1927), in [0, 1]; null without trials."""
    shrink = 1 + Z**2 / trials
    center = (proportion + Z**2 / (2 * trials)) / shrink
    variance = proportion * (1 - proportion) / trials + Z**2 / (4 * trials**2)
    half = Z / shrink * variance.clip(lower_bound=0).sqrt()
    low = pl.min_horizontal(proportion, center - half).clip(0, 1)
    high = pl.max_horizontal(proportion, center + half).clip(0, 1)
    return pl.when(trials > 0).then(low), pl.when(trials > 0).then(high)


def pool_seeds(cells: pl.DataFrame) -> pl.DataFrame:
    """Sum the counts of cells that differ only in their seed.

    Args:
        cells: one row per cell, with the columns of the ``results`` view.

    Returns:
        One row per :data:`POOL_KEYS`, sorted by them: ``correct`` and ``samples`` (summed over seeds), ``images``
        (distinct), ``seeds``, ``accuracy``, ``accuracy_low``, ``accuracy_high``, ``seed_deviation``, ``seconds``,
        ``status``, ``error``, ``demonstration``, ``control``, ``randomised``, ``family`` and ``norm``. Rows without a
        measurement keep their place with a null accuracy.
    """
    status = pl.col("status")
    usable = status.is_in(["done", "partial"]) & (pl.col("samples") > 0) & pl.col("accuracy").is_not_null()
    pooled_status = (
        pl.when((status == "done").all())
        .then(pl.lit("done"))
        .when(usable.any())
        .then(pl.lit("partial"))
        .when((status == "failed").any())
        .then(pl.lit("failed"))
        .otherwise(pl.lit("pending"))
    )
    pooled = cells.group_by(POOL_KEYS).agg(
        pl.col("correct", "samples").filter(usable).sum(),
        pl.col("samples").filter(usable).max().fill_null(0).alias("images"),
        pl.col("seed").filter(usable).n_unique().alias("seeds"),
        pl.col("accuracy").filter(usable).std().alias("seed_deviation"),
        (pl.col("samples") * pl.col("seconds_per_image")).filter(usable).sum().alias("seconds"),
        pl.col("error").drop_nulls().first(),
        pl.col("demonstration").any(),
        pl.col("control", "randomised").max(),
        pl.col("family", "norm").drop_nulls().first(),
        pooled_status.alias("status"),
    )
    accuracy = pl.when(pl.col("samples") > 0).then(pl.col("correct") / pl.col("samples"))
    low, high = wilson_limits(pl.col("accuracy"), pl.col("images"))
    with_accuracy = pooled.sort(POOL_KEYS).with_columns(accuracy=accuracy)
    return with_accuracy.with_columns(accuracy_low=low, accuracy_high=high)


def macro_mean(pooled: pl.DataFrame, by: Sequence[str] = ("model", "defense", "epsilon_255")) -> pl.DataFrame:
    """Average accuracies over datasets, every dataset with the same weight.

    The interval is that of :func:`scc_core.evaluation.metrics.mean_limits`, for one dataset Wilson's. It speaks of
    other images from the same datasets, not of other datasets.

    Args:
        pooled: rows of :func:`pool_seeds` with an accuracy.
        by: columns that keep their own mean.

    Returns:
        One row per ``by``: ``datasets``, ``correct``, ``samples``, ``images``, ``seeds``, ``accuracy``,
        ``accuracy_low``, ``accuracy_high``, ``seed_deviation``, ``seconds``, ``demonstration``, ``norm``, ``partial``
        (datasets not complete yet).
    """
    mean, low, high = pl.col("accuracy").mean(), *_mean_limits(pl.col("accuracy"), pl.col("images"))
    single = pl.len() == 1
    return (
        pooled.filter(pl.col("accuracy").is_not_null())
        .group_by(by)
        .agg(
            pl.col("dataset").n_unique().alias("datasets"),
            pl.col("correct", "samples", "images", "seconds").sum(),
            pl.col("seeds").max(),
            mean,
            pl.when(single).then(pl.col("accuracy_low").first()).otherwise(low).alias("accuracy_low"),
            pl.when(single).then(pl.col("accuracy_high").first()).otherwise(high).alias("accuracy_high"),
            pl.when(single).then(pl.col("seed_deviation").first()).alias("seed_deviation"),
            pl.col("demonstration").any(),
            pl.col("norm").first(),
            (pl.col("status") != "done").sum().alias("partial"),
        )
        .sort(by)
    )


def _mean_limits(accuracy: pl.Expr, images: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """Return the ends of :func:`scc_core.evaluation.metrics.mean_limits` over a group."""
    added = ADDED_SAMPLES / images / (1 / images).sum()
    share = (accuracy * images + added / 2) / (images + added)
    variance = share * (1 - share) / (images - 1).clip(lower_bound=1)
    half_width = STANDARD_ERRORS * variance.sum().sqrt() / pl.len()
    return (share.mean() - half_width).clip(lower_bound=0), (share.mean() + half_width).clip(upper_bound=1)
