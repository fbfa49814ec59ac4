"""Every cell as one row of a table that the reader can sort, filter and download.

The page holds the results twice: as rows to read, rounded, and as data with every digit, by which the script sorts and
filters, from which it writes a selection as CSV, and from which it adds the columns that are shown only on demand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from dashboards.look.words import count, epsilon, interval, percent
from dashboards.pages.markup import escape, fill, json_script

Row = Mapping[str, Any]
FILTERS = ("model", "dataset", "attack", "epsilon_255", "threat_model", "defense", "status")


@dataclass(frozen=True)
class Column:
    """One column of the table.

    Attributes:
        name: the results' column that it sorts by.
        title: its heading, with the unit.
        text: turns a row into the cell's HTML.
        numeric: whether it is aligned as a number.
    """

    name: str
    title: str
    text: Callable[[Row], str]
    numeric: bool = False


def results_table(results: pl.DataFrame) -> str:
    """Return the filters and the table of all rows of the ``results`` or ``run_results`` view, in their order."""
    columns = [column for column in COLUMNS if column.name in results.columns]
    rows = results.to_dicts()
    return fill(
        "results_table.html",
        filters="".join(_filter(rows, name) for name in FILTERS if name in results.columns),
        head="".join(_heading(column) for column in columns),
        body="\n".join(_row(row, columns) for row in rows),
        total=f"{results.height:,}",
        data=json_script("results-data", _data(results)),
    )


def plain_value(value: object) -> str | float | bool | None:
    """Return a value of the results as JSON and CSV write it: lists joined with semicolons, dates as text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return ";".join(map(str, value)) if isinstance(value, list) else str(value)


def _data(results: pl.DataFrame) -> dict[str, Any]:
    rows = [[plain_value(value) for value in row] for row in results.iter_rows()]
    return {"columns": results.columns, "rows": rows}


def _heading(column: Column) -> str:
    css = ' class="number"' if column.numeric else ""
    button = f'<button type="button" data-sort="{column.name}">{column.title}</button>'
    return f'<th scope="col"{css} aria-sort="none">{button}</th>'


def _row(row: Row, columns: list[Column]) -> str:
    cells = "".join(f"<td{' class=number' if column.numeric else ''}>{column.text(row)}</td>" for column in columns)
    return f"<tr>{cells}</tr>"


def _filter(rows: list[dict[str, Any]], name: str) -> str:
    values = sorted({row[name] for row in rows if row[name] is not None})
    written = epsilon if name == "epsilon_255" else str
    options = "".join(f'<option value="{escape(value)}">{escape(written(value))}</option>' for value in values)
    title = "Epsilon" if name == "epsilon_255" else name.replace("_", " ").capitalize()
    return (
        f'<label class="facet"><span class="facet-name">{title}</span> '
        f'<select data-filter="{name}" autocomplete="off"><option value="">all</option>{options}</select></label>'
    )


def _plain(name: str) -> Callable[[Row], str]:
    return lambda row: "–" if row[name] is None else escape(row[name])


def _number(name: str, digits: int) -> Callable[[Row], str]:
    return lambda row: "–" if row[name] is None else f"{row[name]:,.{digits}f}"


def _defense(row: Row) -> str:
    note = ' <span class="note">control</span>' if row.get("control") else ""
    return f"{_plain('defense')(row)}{note}"


def _accuracy(row: Row) -> str:
    limits = interval(row.get("accuracy_low"), row.get("accuracy_high"), 2)
    return f"<b>{percent(row['accuracy'], 2)}</b><small>{limits}</small>"


def _samples(row: Row) -> str:
    wanted = row.get("requested_samples")
    missing = f"<small>of {count(wanted)} wanted</small>" if wanted and wanted != row["samples"] else ""
    return f"{count(row.get('correct'))} / {count(row['samples'])}{missing}"


def _status(row: Row) -> str:
    badges = [f'<span class="badge {escape(row["status"])}">{escape(row["status"])}</span>']
    badges += ['<span class="badge demo">demonstration</span>'] if row.get("demonstration") else []
    badges += [f'<span class="badge caution">{escape(badge)}</span>' for badge in _badges(row)]
    if row.get("error"):
        badges.append(f"<details><summary>error</summary><pre>{escape(row['error'])}</pre></details>")
    return " ".join(badges)


def _badges(row: Row) -> list[str]:
    badges = row.get("badges") or []
    return [badge.strip() for badge in badges.split(",")] if isinstance(badges, str) else list(badges)


def _epsilon(row: Row) -> str:
    return "–" if row["epsilon_255"] is None else f"{round(row['epsilon_255'], 4):g}"


COLUMNS = (
    Column("model", "Model", _plain("model")),
    Column("dataset", "Dataset", _plain("dataset")),
    Column("attack", "Attack", _plain("attack")),
    Column("epsilon_255", "ε (1/255)", _epsilon, numeric=True),
    Column("threat_model", "Threat model", _plain("threat_model")),
    Column("defense", "Defense", _defense),
    Column("seed", "Seed", _plain("seed"), numeric=True),
    Column("accuracy", "Accuracy (%)", _accuracy, numeric=True),
    Column("samples", "Correct / samples", _samples, numeric=True),
    Column("images_per_second", "Images / s", _number("images_per_second", 1), numeric=True),
    Column("status", "Status", _status),
)
"""The columns that are shown first; the others of the results follow on demand, under their own names."""
