"""The page with every cell, and its file for other programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

import polars as pl

from dashboards.pages.figures import empty
from dashboards.pages.page import TABLE_SCRIPTS, Page
from dashboards.pages.results_table import plain_value, results_table

CSV_FILE = "results.csv"


def results_page(results: pl.DataFrame) -> Page:
    """Return the page of all results, as they lie in the database."""
    body = results_table(results) if results.height else empty("No results yet.")
    return Page(
        "results.html",
        "Results",
        "Every result",
        "One row per model, dataset, attack, epsilon, threat model, defense and seed. Nothing is averaged here.",
        body,
        TABLE_SCRIPTS,
    )


def csv_lines(results: pl.DataFrame) -> list[str]:
    """Return the results as CSV, one text per row and the header first, with all digits."""
    return [_line(results.columns), *(_line(map(_text, row)) for row in results.iter_rows())]


def _line(values: Iterable[object]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(list(values))
    return buffer.getvalue()


def _text(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else plain_value(value)
