"""Images listed by a table: a CSV file with a column of paths and a column of labels."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from scc_core.datasets.base import LeftOut
from scc_core.datasets.own.single_labels import check_no_comma_lists, check_single_label
from scc_core.datasets.own.split_names import is_split_name
from scc_core.datasets.own.texts import read_text
from scc_core.errors import UserError, unknown_name

TABLE_FILE = "labels.csv"
TABLE_SUFFIXES = frozenset({".csv", ".tsv"})
_DELIMITERS = (",", ";", "\t")
_SHOWN = 5


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
        doubts: what about the columns a reader should look at, as lines.
    """

    images: tuple[tuple[str, str], ...]
    left_out: tuple[LeftOut, ...]
    doubts: tuple[str, ...] = ()


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
    chosen = [by_case[column.lower()] for column in wanted]
    rest = [name for name in names if name not in chosen] if columns.split is None else []
    try:
        table = _read(path, rows, chosen, rest, columns)
    except csv.Error as error:
        raise UserError(f"{path}, line {rows.line_num}: not a table: {error}") from None
    if not table.images:
        where = "" if columns.split is None else f" of split {columns.split!r}"
        raise UserError(f"{path} lists no image{where}; it needs lines with a {columns.path} and a {columns.label}")
    check_no_comma_lists({label for _, label in table.images}, str(path))
    return table


def _read(path: Path, rows: csv.DictReader[str], chosen: Sequence[str], rest: Sequence[str], columns: Columns) -> Table:
    """Read the chosen columns; ``rest`` are the columns among which one of splits may be passed over."""
    labels: dict[str, str] = {}
    left_out = []
    others: dict[str, Counter[str]] = {name: Counter() for name in rest}
    for row in rows:
        where = f"{path.name}, line {rows.line_num}"
        image, label, *split = ((row[key] or "").strip() for key in chosen)
        if split and split[0] != columns.split:
            continue
        for name, values in others.items():
            values[(row[name] or "").strip()] += 1
        image = image.replace("\\", "/")
        check_single_label(label, f"{path}, line {rows.line_num}")
        if not image or not label:
            left_out.append(LeftOut(where, f"no {'path' if not image else 'label'}"))
        elif labels.get(image, label) != label:
            raise UserError(f"{path}, line {rows.line_num}: {image} is {label!r} here and {labels[image]!r} before")
        elif image in labels:
            left_out.append(LeftOut(where, f"lists {image} again"))
        else:
            labels[image] = label
    return Table(tuple(labels.items()), tuple(left_out), tuple(_unused_splits(path, others, columns.split_column)))


def _unused_splits(path: Path, others: Mapping[str, Counter[str]], split_column: str) -> Iterator[str]:
    """Yield a line for every column that holds splits, by its name or by all of its values."""
    for name, values in others.items():
        by_name = name.strip().lower() == split_column.lower()
        if by_name or all(map(is_split_name, values)):
            counts = ", ".join(f"{value!r} {count:,}" for value, count in values.most_common(_SHOWN))
            more = f" and {len(values) - _SHOWN:,} more" if len(values) > _SHOWN else ""
            named = [value for value in values if value] or ["test"]
            held_out = next((value for value in named if value.lower().startswith("test")), named[0])
            options = f"split={quote(held_out)}" + ("" if by_name else f"&split_column={quote(name.strip())}")
            yield (
                f"the address does not use the column {name.strip()!r} of {path.name} ({counts}{more}), so that all of "
                f"them are measured together; the option {options} chooses one"
            )
