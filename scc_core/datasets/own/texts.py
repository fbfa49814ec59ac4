"""Class names and prompt templates from plain text files, one per line."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from scc_core.errors import UserError, unknown_name

CLASS_NAMES_FILE = "classnames.txt"
TEMPLATES_FILE = "templates.txt"
DEFAULT_TEMPLATES = ("a photo of a {}.",)


class ClassNames(NamedTuple):
    """The classes in label order.

    Attributes:
        keys: what the data calls them: names of folders, or the text of a label column.
        names: what prompts call them.
    """

    keys: tuple[str, ...]
    names: tuple[str, ...]


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


def read_lines(path: Path) -> tuple[str, ...]:
    """Return the lines of a text file without blank ones and without comments, which begin with ``#``."""
    lines = (line.strip() for line in read_text(path).splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


def parse_templates(lines: Sequence[str], origin: Path) -> tuple[str, ...]:
    """Check prompt templates; ``{c}``, as CLIP_benchmark writes it, means the same as ``{}``.

    Raises:
        UserError: none is given, or one has not exactly one place for the class name.
    """
    templates = tuple(line.replace("{c}", "{}") for line in lines)
    if not templates:
        raise UserError(f"{origin} holds no prompt template; write one per line, with {{}} for the class name")
    for template in templates:
        if template.count("{}") != 1 or template.count("{") != 1 or template.count("}") != 1:
            raise UserError(f"{origin}: the template {template!r} needs exactly one {{}} for the class name")
    return templates


def default_names(keys: Sequence[str]) -> ClassNames:
    """Name the classes after their keys, sorted, underscores as spaces; whole numbers are sorted by value.

    Raises:
        UserError: a key that is no UTF-8 text, which no prompt can hold.
    """
    for key in keys:
        legible = os.fsencode(key).decode(errors="replace")
        if legible != key:
            raise UserError(f"the class folder {legible!r} has a name that is no UTF-8 text; rename it")
    ordered = tuple(sorted(keys, key=int) if all(key.isdecimal() for key in keys) else sorted(keys))
    return ClassNames(ordered, tuple(" ".join(key.replace("_", " ").split()) for key in ordered))


def read_class_names(path: Path, keys: Sequence[str]) -> ClassNames:
    """Read names of classes: lines ``KEY = NAME`` in label order, or one ``NAME`` per line in the order of the keys.

    A key that the data does not have stands for a class without images, which may still be answered.

    Args:
        path: the file.
        keys: the classes that the data has.

    Raises:
        UserError: a class without a name, a name or key given twice, or the two forms mixed.
    """
    lines = read_lines(path)
    pairs = [line.partition("=") for line in lines]
    if not any(separator for _, separator, _ in pairs):
        ordered = default_names(keys).keys
        if len(lines) != len(ordered):
            raise UserError(
                f"{path} names {len(lines)} classes, the data has {len(ordered)} ({', '.join(ordered)}); "
                "lines of the form KEY = NAME leave no doubt"
            )
        return _check(ClassNames(ordered, tuple(lines)), path)
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


def _check(names: ClassNames, path: Path) -> ClassNames:
    twice = sorted({name for name in names.names if names.names.count(name) > 1})
    if twice:
        raise UserError(f"{path} calls two classes {twice[0]!r}; prompts could not tell them apart")
    if not all(names.names):
        raise UserError(f"{path} has a class without a name")
    return names
