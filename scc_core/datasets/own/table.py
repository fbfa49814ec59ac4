"""Images listed by a table: a CSV file with a column of paths and a column of labels."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from scc_core.datasets.base import LeftOut
from scc_core.datasets.own.texts import read_text
from scc_core.errors import UserError, unknown_name

TABLE_FILE = "labels.csv"
TABLE_SUFFIXES = frozenset({".csv", ".tsv"})
_DELIMITERS = (",", ";", "\t")


class Columns(NamedTuple):
    """The names of the columns that are read, and which split is wanted, if any."""

    path: str = "path"
    label: str = "label"
    split_column: str = "split"
    split: str | None = None


class Table(NamedTuple):
    """What a table lists.

    Attributes:
        images: ``(path, label)`` in the order of the lines; a path is below the table's folder, or absolute.
        left_out: the lines that list no image, with the reason.
    """

    images: tuple[tuple[str, str], ...]
    left_out: tuple[LeftOut, ...]


def read_table(path: Path, columns: Columns) -> Table:
    """Read a table with a header. Commas, semicolons or tabs separate the columns; case does not matter in their names.

    Raises:
        UserError: no such column, no line, or an image that is listed with two labels.
    """
    text = read_text(path)
    header = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=header.count)
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, restkey="", restval="")
    names = [name for name in rows.fieldnames or () if name]
    by_case = {name.strip().lower(): name for name in names}
    wanted = [columns.path, columns.label, *([columns.split_column] if columns.split is not None else [])]
    for column in wanted:
        if column.lower() not in by_case:
            raise UserError(f"{path}: {unknown_name('column', column, [name.strip() for name in names])}")
    keys = [by_case[column.lower()] for column in wanted]
    try:
        table = _read(path, rows, keys, columns)
    except csv.Error as error:
        raise UserError(f"{path}, line {rows.line_num}: not a table: {error}") from None
    if not table.images:
        where = "" if columns.split is None else f" of split {columns.split!r}"
        raise UserError(f"{path} lists no image{where}; it needs lines with a {columns.path} and a {columns.label}")
    return table


def _read(path: Path, rows: csv.DictReader[str], keys: Sequence[str], columns: Columns) -> Table:
    labels: dict[str, str] = {}
    left_out = []
    for row in rows:
        line = rows.line_num
        image, label, *split = ((row[key] or "").strip() for key in keys)
        if split and split[0] != columns.split:
            continue
        image = image.replace("\\", "/")
        where = f"{path.name}, line {line}"
        if not image or not label:
            left_out.append(LeftOut(where, f"no {'path' if not image else 'label'}"))
        elif labels.get(image, label) != label:
            raise UserError(f"{path}, line {line}: {image} is {label!r} here and {labels[image]!r} before")
        elif image in labels:
            left_out.append(LeftOut(where, f"lists {image} again"))
        else:
            labels[image] = label
    return Table(tuple(labels.items()), tuple(left_out))
