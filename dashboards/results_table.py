"""Every cell as one row of a table that the reader can sort, filter and download."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from dashboards.markup import escape, fill, json_script
from dashboards.words import DEMONSTRATION, count, epsilon, interval, percent

Row = Mapping[str, Any]
FILTERS = ("model", "dataset", "attack", "epsilon_255", "threat_model", "defense", "status")


@dataclass(frozen=True)
class Column:
    """One column of the table.

    Attributes:
        name: the results' column that it sorts by.
        title: its heading, with the unit.
        text: turns a row into the cell's HTML.
        numeric: whether it is aligned and sorted as a number.
        detail: whether it is shown only on demand.
    """

    name: str
    title: str
    text: Callable[[Row], str]
    numeric: bool = False
    detail: bool = False


def results_table(results: pl.DataFrame, lines: Sequence[str]) -> str:
    """Return the filters and the table of all rows of the results, in their order.

    Args:
        results: rows of the ``results`` or the ``run_results`` view.
        lines: the same rows as CSV, the header first, for the reader who downloads a selection.
    """
    columns = [column for column in COLUMNS if column.name in results.columns]
    head = "".join(_heading(column) for column in columns)
    body = "".join(_row(row, columns) for row in results.iter_rows(named=True))
    filters = "".join(_filter(results, name) for name in FILTERS if name in results.columns)
    return fill(
        "results_table.html",
        filters=filters,
        head=head,
        body=body,
        total=f"{results.height:,}",
        lines=json_script("results-lines", list(lines)),
    )


def _heading(column: Column) -> str:
    return (
        f'<th scope="col" class="{_css(column)}" aria-sort="none">'
        f'<button type="button" data-sort="{column.name}">{column.title}</button></th>'
    )


def _row(row: Row, columns: list[Column]) -> str:
    keys = " ".join(f'data-{name.replace("_", "-")}="{escape(_key(row, name))}"' for name in FILTERS if name in row)
    cells = "".join(
        f'<td class="{_css(column)}"{_sort_value(row, column)}>{column.text(row)}</td>' for column in columns
    )
    return f"<tr {keys}>{cells}</tr>"


def _css(column: Column) -> str:
    names = [name for name, wanted in (("number", column.numeric), ("detail", column.detail)) if wanted]
    return " ".join([*names, f"column-{column.name.replace('_', '-')}"])


def _sort_value(row: Row, column: Column) -> str:
    value = row[column.name]
    return f' data-value="{"" if value is None else escape(value)}"' if column.numeric else ""


def _key(row: Row, name: str) -> str:
    value = row[name]
    return f"{round(value, 4):g}" if isinstance(value, float) else str(value)


def _filter(results: pl.DataFrame, name: str) -> str:
    values = sorted({_key(row, name): row[name] for row in results.iter_rows(named=True)}.items(), key=_option_place)
    written = epsilon if name == "epsilon_255" else str
    options = "".join(f'<option value="{escape(key)}">{escape(written(value))}</option>' for key, value in values)
    title = "ε" if name == "epsilon_255" else name.replace("_", " ").capitalize()
    return (
        f'<label class="facet"><span class="facet-name">{title}</span> '
        f'<select data-filter="{name.replace("_", "-")}" autocomplete="off"><option value="">all</option>'
        f"{options}</select></label>"
    )


def _option_place(entry: tuple[str, Any]) -> tuple[float, str]:
    key, value = entry
    return (value if isinstance(value, float) else 0.0, key)


def _plain(name: str) -> Callable[[Row], str]:
    return lambda row: "–" if row[name] is None else escape(row[name])


def _number(name: str, digits: int) -> Callable[[Row], str]:
    return lambda row: "–" if row[name] is None else f"{row[name]:,.{digits}f}"


def _accuracy(row: Row) -> str:
    limits = interval(row.get("accuracy_low"), row.get("accuracy_high"), 2)
    return f"<b>{percent(row['accuracy'], 2)}</b><small>{limits}</small>"


def _samples(row: Row) -> str:
    wanted = row.get("requested_samples")
    missing = f"<small>of {count(wanted)} wanted</small>" if wanted and wanted != row["samples"] else ""
    return f"{count(row.get('correct'))} / {count(row['samples'])}{missing}"


def _status(row: Row) -> str:
    badges = [f'<span class="badge {escape(row["status"])}">{escape(row["status"])}</span>']
    badges += [f'<span class="badge demo">{DEMONSTRATION}</span>'] if row.get("demonstration") else []
    badges += [f'<span class="badge caution">{escape(badge)}</span>' for badge in _badges(row)]
    if row.get("error"):
        badges.append(f"<details><summary>error</summary><pre>{escape(row['error'])}</pre></details>")
    return "".join(badges)


def _badges(row: Row) -> list[str]:
    badges = row.get("badges") or []
    return badges.split(",") if isinstance(badges, str) else list(badges)


def _epsilon(row: Row) -> str:
    return "–" if row["epsilon_255"] is None else f"{round(row['epsilon_255'], 4):g}"


COLUMNS = (
    Column("model", "Model", _plain("model")),
    Column("dataset", "Dataset", _plain("dataset")),
    Column("attack", "Attack", _plain("attack")),
    Column("epsilon_255", "ε (1/255)", _epsilon, numeric=True),
    Column("threat_model", "Threat model", _plain("threat_model")),
    Column("defense", "Defense", _plain("defense")),
    Column("seed", "Seed", _plain("seed"), numeric=True),
    Column("accuracy", "Accuracy (%)", _accuracy, numeric=True),
    Column("samples", "Correct / samples", _samples, numeric=True),
    Column("images_per_second", "Images / s", _number("images_per_second", 1), numeric=True),
    Column("status", "Status", _status),
    Column("classes", "Classes", _plain("classes"), numeric=True, detail=True),
    Column("mean_confidence", "Mean confidence (%)", lambda row: percent(row["mean_confidence"], 2), True, True),
    Column("mean_margin", "Mean margin (logits)", _number("mean_margin", 3), numeric=True, detail=True),
    Column("seconds_per_image", "Seconds / image", _number("seconds_per_image", 5), True, True),
    Column("attack_seconds_per_image", "Attack s / image", _number("attack_seconds_per_image", 5), True, True),
    Column("forwards_per_image", "Forwards / image", _number("forwards_per_image", 2), True, True),
    Column("backwards_per_image", "Backwards / image", _number("backwards_per_image", 2), True, True),
    Column("attack_forwards_per_image", "Attack forwards / image", _number("attack_forwards_per_image", 2), True, True),
    Column(
        "attack_backwards_per_image", "Attack backwards / image", _number("attack_backwards_per_image", 2), True, True
    ),
    Column("precision", "Precision", _plain("precision"), detail=True),
    Column("preprocessing", "Preprocessing", _plain("preprocessing"), detail=True),
    Column("devices", "Devices", _plain("devices"), detail=True),
    Column("run_name", "Run", _plain("run_name"), detail=True),
    Column("cell", "Cell", _plain("cell"), detail=True),
    Column("attack_group", "Attack group", _plain("attack_group"), detail=True),
    Column("updated_at", "Updated", _plain("updated_at"), detail=True),
)
"""The table's columns; those that the results lack are not shown."""
