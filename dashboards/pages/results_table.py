"""Every cell as one row of a table that the reader can sort, filter and download.

The page holds the results twice: as rows to read, rounded, and as data with every digit, by which the script sorts and
filters, from which it writes a selection as CSV, and from which it adds the columns that are shown only on demand.
"""

from __future__ import annotations

from typing import NamedTuple

import polars as pl
from markupsafe import Markup

from dashboards.look.words import epsilon
from dashboards.pages.markup import fill
from orchestrator.results.badges import BADGES

FILTERS = ("model", "dataset", "attack", "norm", "epsilon", "threat_model", "defense", "status")


class Column(NamedTuple):
    """One column of the table: the results' column that it sorts by, its heading, whether it is aligned as a number."""

    name: str
    title: str
    numeric: bool = False


COLUMNS = (
    Column("model", "Model"),
    Column("dataset", "Dataset"),
    Column("attack", "Attack"),
    Column("epsilon", "ε", numeric=True),
    Column("threat_model", "Threat model"),
    Column("defense", "Defense"),
    Column("seed", "Seed", numeric=True),
    Column("accuracy", "Accuracy (%)", numeric=True),
    Column("samples", "Correct / samples", numeric=True),
    Column("images_per_second", "Images / s", numeric=True),
    Column("code", "Code"),
    Column("status", "Status"),
)
"""The columns that are shown first, the code only where there is any; the others of the results follow on demand,
under their own names."""


def results_table(results: pl.DataFrame) -> Markup:
    """Return the filters and the table of all rows of the ``results`` or ``run_results`` view, in their order."""
    offered = [name for name in FILTERS if name in results.columns]
    if results["norm"].drop_nulls().n_unique() < 2:
        offered.remove("norm")
    return fill(
        "results_table.html",
        filters=[(name, name.replace("_", " ").capitalize(), _options(results, name)) for name in offered],
        columns=[column for column in COLUMNS if column.name in results.columns and _is_shown(results, column.name)],
        rows=results.to_dicts(),
        badges=[(name, badge.meaning) for name, badge in BADGES.items() if name in _shown_badges(results)],
        data={
            "columns": results.columns,
            "rows": [[plain_value(value) for value in row] for row in results.iter_rows()],
        },
    )


def _is_shown(results: pl.DataFrame, name: str) -> bool:
    return name != "code" or not results[name].is_null().all()


def _options(results: pl.DataFrame, name: str) -> list[tuple[object, object]]:
    """Return the values of a column with the texts by which a reader chooses them; a radius is told in its norms."""
    values = results[name].drop_nulls().unique().sort().to_list()
    if name != "epsilon":
        return [(value, value) for value in values]
    norms = dict(
        results.group_by("epsilon").agg(pl.col("norm").drop_nulls().unique().sort(descending=True)).iter_rows()
    )
    return [(value, " or ".join(epsilon(255 * value, norm) for norm in norms[value] or [None])) for value in values]


def plain_value(value: object) -> str | float | bool | None:
    """Return a value of the results as JSON and CSV write it: lists joined with semicolons, dates as text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return ";".join(map(str, value)) if isinstance(value, list) else str(value)


def _shown_badges(results: pl.DataFrame) -> set[str]:
    """Return every badge of any row; the column has lists of names, or names joined with commas."""
    if "badges" not in results.columns:
        return set()
    shown = results["badges"].drop_nulls()
    names = shown.str.split(",") if shown.dtype == pl.String else shown
    return {name.strip() for row in names for name in row}
