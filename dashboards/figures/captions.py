"""Sentences that say over what a figure averages and what it leaves out."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from dashboards.analysis.comparable import Comparable
from dashboards.look.words import DEMONSTRATION, amount, epsilon, listing
from orchestrator.grid.cell import NO_DEFENSE


def averaged(found: Comparable, *, demonstration: bool) -> str:
    """Describe an average over the datasets that all defenses have."""
    sentences = [
        f"Mean over {amount(len(found.datasets), 'dataset')} ({listing(found.datasets)}); {images(found.rows)}."
        if len(found.datasets) != 1
        else f"One dataset, {found.datasets[0]}; {images(found.rows)}."
    ]
    if found.dropped_datasets:
        sentences.append(f"Not every defense has {listing(found.dropped_datasets, 4)}: left out.")
    if found.left_out:
        norm = found.rows["norm"][0]
        words = [
            [epsilon(part, norm) if isinstance(part, float) else str(part) for part in key] for key in found.left_out
        ]
        columns = [" at ".join(parts) for parts in words]
        sentences.append(f"Measured on too few datasets to compare: {listing(columns, 4)}.")
    return finish(sentences, found.rows, demonstration=demonstration)


def finish(sentences: Sequence[str], rows: pl.DataFrame, *, demonstration: bool) -> str:
    """Add which defenses are controls, and what must be said of unfinished cells and of demonstrations."""
    kinds = (
        rows.filter(pl.col("defense") != NO_DEFENSE).group_by("defense").agg(pl.col("control").max()).sort("defense")
    )
    controls = kinds.filter(pl.col("control"))["defense"].to_list()
    unknown = kinds.filter(pl.col("control").is_null())["defense"].to_list()
    partial = rows.filter(pl.col("status") == "partial").height
    extra = [f"Controls: {listing(controls)}."] if controls else []
    extra += [f"Not known to be controls or not: {listing(unknown)}."] if unknown else []
    extra += [f"Not complete yet: {partial:,} of {amount(rows.height, 'measurement')}."] if partial else []
    extra += [f"These are {DEMONSTRATION}."] if demonstration else []
    return " ".join([*sentences, *extra])


def images(rows: pl.DataFrame) -> str:
    """Say how many images per defense and epsilon, and how many seeds, stand behind pooled rows."""
    columns = [name for name in ("model", "defense", "epsilon_255") if name in rows.columns]
    totals = rows.group_by(columns).agg(pl.col("images").sum())["images"]
    least, most = int(totals.min() or 0), int(totals.max() or 0)  # type: ignore[arg-type]
    seeds = int(rows["seeds"].max() or 0)  # type: ignore[arg-type]
    span = amount(most, "image") if least == most else f"{least:,} to {amount(most, 'image')}"
    return f"{span} per point, {amount(seeds, 'seed')}"
