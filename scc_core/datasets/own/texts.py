"""Class names and prompt templates from plain text files, one per line."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from scc_core.datasets.name_doubts import folded
from scc_core.datasets.own.label_order import doubt_numbers, doubt_positions, order_keys
from scc_core.errors import UserError, shown, unknown_name

CLASS_NAMES_FILE = "classnames.txt"
TEMPLATES_FILE = "templates.txt"
DEFAULT_TEMPLATES = ("a photo of a {}.",)

_CODE = re.compile(r"lambda\b.*:|[fFrRbBuU]{1,2}['\"]|[-*\u2022]\s")
_QUOTES = frozenset({"''", '""', "``", "\u201c\u201d", "\u2018\u2019", "\u201e\u201c", "\u00ab\u00bb"})


class Line(NamedTuple):
    """A line of a text file, counted from one, without blanks around it."""

    number: int
    text: str


class ClassNames(NamedTuple):
    """The classes in label order.

    Attributes:
        keys: what the data calls them: names of folders, or the text of a label column.
        names: what prompts call them.
        doubts: what about the order of the classes a reader should look at, as lines.
    """

    keys: tuple[str, ...]
    names: tuple[str, ...]
    doubts: tuple[str, ...] = ()


def read_text(path: Path) -> str:
    """Return a text file's content.

    Raises:
        UserError: it cannot be read, or is no UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is no UTF-8 text; save it as UTF-8") from None


def read_lines(path: Path, comment: str | None = "#") -> tuple[Line, ...]:
    """Return the lines of a text file without blank ones and without those that begin with ``comment``.

    Raises:
        UserError: it cannot be read, or a line has the quotes, brackets or commas of a list in a program.
    """
    stripped = (Line(number, line.strip()) for number, line in enumerate(read_text(path).splitlines(), start=1))
    lines = tuple(line for line in stripped if line.text and not (comment and line.text.startswith(comment)))
    for line in lines:
        if is_pasted(line.text) or is_pasted(line.text.partition("=")[2].strip()):
            raise UserError(
                f"{path}, line {line.number}: {shown(line.text)} looks as if it were pasted from a program; write the "
                "text alone, one per line, without quotes, brackets, bullets and commas around it"
            )
    return lines


def is_pasted(text: str) -> bool:
    """Tell whether a text is written as in a list of a program: ``'cat',`` or ``["cat", "dog"]`` or ``lambda c: ...``.

    A quote inside of the text, such as an apostrophe, is part of it.
    """
    if _CODE.match(text) or text.endswith((",", ";")):
        return True
    core = text.strip("[](), ")
    return len(core) > 1 and core[0] + core[-1] in _QUOTES


def parse_templates(lines: Sequence[Line], origin: Path) -> tuple[str, ...]:
    """Check prompt templates; ``{c}``, as CLIP_benchmark writes it, means the same as ``{}``.

    Raises:
        UserError: none is given, or one has not exactly one place for the class name.
    """
    if not lines:
        raise UserError(f"{origin} holds no prompt template; write one per line, with {{}} for the class name")
    templates = tuple(line.text.replace("{c}", "{}") for line in lines)
    for line, template in zip(lines, templates, strict=True):
        if template.count("{}") != 1 or template.count("{") != 1 or template.count("}") != 1:
            raise UserError(
                f"{origin}, line {line.number}: the template {template!r} needs exactly one {{}} for the class name"
            )
    return templates


def default_names(keys: Sequence[str]) -> ClassNames:
    """Name the classes after their keys, sorted, underscores as spaces; numbers are sorted by value.

    Raises:
        UserError: a key that is no UTF-8 text, which no prompt can hold.
    """
    for key in keys:
        legible = os.fsencode(key).decode(errors="replace")
        if legible != key:
            raise UserError(f"the class folder {legible!r} has a name that is no UTF-8 text; rename it")
    ordered = order_keys(keys)
    names = tuple(" ".join(key.replace("_", " ").split()) for key in ordered)
    return ClassNames(ordered, names, tuple(doubt_numbers(ordered)))


def read_class_names(path: Path, keys: Sequence[str]) -> ClassNames:
    """Read names of classes: lines ``KEY = NAME`` in label order, or one ``NAME`` per line in the order of the keys.

    A key that the data does not have stands for a class without images, which may still be answered.

    Args:
        path: the file.
        keys: the classes that the data has.

    Raises:
        UserError: a class without a name, a name or key given twice, a name that is another class's key, or the two
            forms mixed.
    """
    lines = [line.text for line in read_lines(path)]
    pairs = [line.partition("=") for line in lines]
    if not any(separator for _, separator, _ in pairs):
        return _check(_by_position(path, lines, default_names(keys)), path)
    if not all(separator for _, separator, _ in pairs):
        line = next(line for line in lines if "=" not in line)
        raise UserError(f"{path}: {line!r} has no '='; write KEY = NAME in every line, or in none")
    given = {key.strip(): name.strip() for key, _, name in pairs}
    if len(given) != len(pairs):
        raise UserError(f"{path} names a class twice")
    for key in keys:
        if key not in given:
            raise UserError(f"{path} has no line for {key!r}: {unknown_name('class', key, given)}")
    return _check(ClassNames(tuple(given), tuple(given.values())), path)


def _by_position(path: Path, names: Sequence[str], default: ClassNames) -> ClassNames:
    keys = default.keys
    if len(names) != len(keys):
        raise UserError(
            f"{path} names {len(names)} classes, the data has {len(keys)} ({', '.join(keys)}); "
            "lines of the form KEY = NAME leave no doubt"
        )
    owners = {folded(key): key for key in keys}
    for key, name in zip(keys, names, strict=True):
        if folded(name) != folded(key) and folded(name) in owners:
            raise UserError(
                f"{path} calls the class {key!r} {name!r}, but {owners[folded(name)]!r} is another class of the data; "
                "names by position follow the order of the sorted keys, and lines of the form KEY = NAME leave no doubt"
            )
    return ClassNames(keys, tuple(names), (*default.doubts, *doubt_positions(keys)))


def _check(names: ClassNames, path: Path) -> ClassNames:
    twice = sorted({name for name in names.names if names.names.count(name) > 1})
    if twice:
        raise UserError(f"{path} calls two classes {twice[0]!r}; prompts could not tell them apart")
    if not all(names.names):
        raise UserError(f"{path} has a class without a name")
    return names
