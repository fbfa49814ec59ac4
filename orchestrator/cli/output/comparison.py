"""What ``sccbench compare --published`` prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orchestrator.cli.options import Format, print_line
from orchestrator.cli.output.tables import fits, print_frame
from orchestrator.results.published.comparison import Comparison, GateResult
from scc_core.components.parameters import written_radius

_RESULT = ("measured / %", "published", "diff", "within")
_STYLES = {True: "green", False: "bold red", None: None}
"""Of a gate that passed, one that failed, and one that is not decided."""


def print_comparison(comparison: Comparison, form: Format, data: Console, words: Console, *, everything: bool) -> None:
    """Print the table to ``data``, then the gates, the notes on the sources and the summary to ``words``.

    Args:
        comparison: what is compared.
        form: of the table.
        data: where the table goes.
        words: where the text for people goes.
        everything: whether numbers without a measured counterpart are listed.
    """
    table = comparison.table()
    compared = table.filter(pl.col("reason").is_null())
    shown = table if everything else compared
    if form is not Format.TABLE:
        print_frame(shown, form, data)
    else:
        _print_tables(shown, data)
    for result in comparison.gates():
        print_line(words, _gate(result), _STYLES[result.passed])
    for line in (*comparison.notes(compared["source"].unique().to_list()), *_summary(table)):
        print_line(words, line)


def _print_tables(rows: pl.DataFrame, console: Console) -> None:
    """Print a table for every source and model; a narrow terminal gets what is compared in one column."""
    for (source, model), group in rows.group_by("source", "model", maintain_order=True):
        print_line(console, f"{source}: {model}", "bold")
        readable = _readable(group)
        table = _table(readable)
        if not fits(table, console):
            table = _table(_narrow(readable))
        console.print(table)


def _table(readable: pl.DataFrame) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for name in readable.columns:
        result = name in _RESULT
        table.add_column(name, justify="right" if result or name == "n" else "left", no_wrap=result, overflow="fold")
    for row in readable.iter_rows():
        table.add_row(*(escape(value or "") for value in row))
    return table


def _narrow(readable: pl.DataFrame) -> pl.DataFrame:
    words = [name for name in readable.columns if name not in _RESULT]
    subject = pl.concat_str(*words, separator=", ", ignore_nulls=True).str.strip_chars(", ")
    return readable.select(subject.alias(", ".join(words)), *(name for name in readable.columns if name in _RESULT))


def _readable(table: pl.DataFrame) -> pl.DataFrame:
    """Return the table with accuracies in percent and without the columns that say nothing."""
    radius = pl.struct("epsilon", "norm").map_elements(_radius, return_dtype=pl.String)
    attack = pl.format("{} {}", pl.col("attack"), radius)
    measured = pl.format("{} [{}, {}]", *(_percent(name) for name in ("accuracy", "accuracy_low", "accuracy_high")))
    readable = table.select(
        "dataset",
        "defense",
        pl.when(pl.col("attack") == "none").then(pl.lit("clean")).otherwise(attack).alias("attack"),
        _copy().alias("as"),
        pl.when(pl.col("seed").n_unique() > 1).then(pl.col("seed").cast(pl.String)).alias("seed"),
        pl.when(pl.col("samples") == pl.col("images"))
        .then(pl.col("samples").cast(pl.String))
        .otherwise(pl.format("{} of {}", "samples", "images"))
        .alias("n"),
        measured.alias("measured / %"),
        _percent("published").alias("published"),
        _percent("difference", "+.2f").alias("diff"),
        pl.col("within").replace_strict({True: "yes", False: "no"}, return_dtype=pl.String).alias("within"),
        pl.col("badges").replace("", None),
        "reason",
    )
    silent = [name for name in readable.columns if readable[name].fill_null("").eq("").all()]
    return readable.drop(silent)


def _copy() -> pl.Expr:
    """Name the measured copy where several copies of a dataset's images are."""
    several = pl.col("measured_dataset").n_unique().over("dataset") > 1
    return pl.when(several & ~pl.col("dataset").str.starts_with("mean")).then("measured_dataset")


def _percent(name: str, form: str = ".2f") -> pl.Expr:
    return _written(pl.col(name) * 100, form)


def _written(numbers: pl.Expr, form: str) -> pl.Expr:
    return numbers.map_elements(lambda value: format(value, form), return_dtype=pl.String)


def _radius(radius: Mapping[str, Any]) -> str:
    return written_radius(radius["epsilon"], radius["norm"] or "linf")


def _gate(result: GateResult) -> str:
    gate = result.gate
    radius = written_radius(gate.epsilon_255 / 255, result.norm)
    under = f"under {gate.attack} at {radius}" if gate.attack else "clean"
    subject = f"sanity gate: {gate.model}, {gate.dataset}, {under}, must give {gate.expected:g} +- {gate.tolerance:g} %"
    if result.measured is None:
        return f"{subject}: not decided ({result.reason})"
    verdict = "passed" if result.passed else "FAILED, nothing measured on this model is comparable"
    accuracy, low, high = (100 * share for share in (result.measured.accuracy, *result.measured.interval))
    measured = f"{accuracy:.2f} [{low:.2f}, {high:.2f}] with seed {result.measured.seed}"
    return f"{subject}: measured {measured}: {verdict}"


def _summary(table: pl.DataFrame) -> list[str]:
    """Say how many of the published numbers are compared, and why the others are not."""
    numbers = ["source", "model", "dataset", "attack", "epsilon", "defense", "table_epsilon_255"]
    compared = table.filter(pl.col("reason").is_null())
    total, found = table.select(numbers).n_unique(), compared.select(numbers).n_unique()
    outside = compared.filter(~pl.col("within")).select(numbers).n_unique()
    partial = compared.filter(pl.col("samples") < pl.col("images")).select(numbers).n_unique()
    lines = [f"{found} of {total} published numbers are compared; {outside} lie outside the measured interval"]
    if partial:
        lines.append(
            f"{partial} are compared on a part of the images: that part holds the classes in equal numbers, "
            "the published number counts every image"
        )
    reasons = table.group_by("reason").len().drop_nulls().sort(["len", "reason"], descending=[True, False])
    return lines + [f"{count} not compared: {reason}" for reason, count in reasons.iter_rows()]
