"""The page with every cell, and its file for other programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import chain

import polars as pl

from dashboards.pages.figures import empty
from dashboards.pages.page import TABLE_SCRIPTS, Page
from dashboards.pages.results_table import plain_value, results_table

CSV_FILE = "results.csv"


def results_page(results: pl.DataFrame) -> Page:
    """Return the page of all results, as they lie in the database."""
    return Page(
        "results.html",
        "Results",
        "Every result",
        "One row per model, dataset, attack, epsilon, threat model, defense and seed. Nothing is averaged here.",
        results_table(results) if results.height else empty("No results yet."),
        TABLE_SCRIPTS,
    )


def csv_lines(results: pl.DataFrame) -> Iterator[str]:
    """Yield the results as CSV, the header first, with all digits."""
    for values in chain([results.columns], results.iter_rows()):
        line = io.StringIO()
        texts = [str(value).lower() if isinstance(value, bool) else plain_value(value) for value in values]
        csv.writer(line, lineterminator="\n").writerow(texts)
        yield line.getvalue()
