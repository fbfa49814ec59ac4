"""What a reader should doubt of a dataset's class names and templates, whoever wrote them, as lines."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from scc_core.datasets.numbered import numbers_of
from scc_core.errors import listed

_BLANKS = re.compile(r"[\s_\-\u2010-\u2015\u200b-\u200d\u2060\ufeff]+")
_NO_NAMES = frozenset({"", "nan", "none", "null", "nil", "na", "n/a", "#n/a", "<na>", "nat", "undefined", "-", "?"})
_ODD_BEGINNING = tuple("'\"`[,;|“‘")
_ODD_ENDING = (",", ";", '"', "]", "`", "”")
_SEVERAL = re.compile(r"[|;]")
_SHOWN = 3


def folded(name: str) -> str:
    """Return what is left of a name without case, blanks, underscores, hyphens and the ways to encode an accent."""
    return _BLANKS.sub("", unicodedata.normalize("NFKC", name).casefold())


def doubt_names(keys: Sequence[str], names: Sequence[str], templates: Sequence[str]) -> tuple[str, ...]:
    """Return the doubts of class names and templates, one line each; every class is looked at.

    Args:
        keys: what the data calls the classes, in label order.
        names: what prompts call them, in label order.
        templates: prompt templates.
    """
    return tuple(_doubts(keys, names, templates))


def _doubts(keys: Sequence[str], names: Sequence[str], templates: Sequence[str]) -> Iterator[str]:
    texts = dict.fromkeys((*keys, *names))
    alike = list(dict.fromkeys((*_alike(names), *_alike(keys))))
    if alike:
        groups = [f"{listed(keys[label] for label in labels)} (labels {listed(labels)})" for labels in alike]
        more = f" and {len(groups) - _SHOWN:,} more groups" if len(groups) > _SHOWN else ""
        yield (
            f"classes {'; '.join(groups[:_SHOWN])}{more} differ at most in case, blanks, underscores or hyphens: "
            "several classes, or one?"
        )
    if missing := [text for text in texts if text.strip(" _").casefold() in _NO_NAMES]:
        yield f"classes are called {listed(missing)}: names, or marks of a label that is missing?"
    numbers = list(names) if len(names) > 1 and numbers_of(names) else [name for name in names if _is_number(name)]
    if numbers:
        yield f"prompts call {len(numbers):,} classes by numbers, {listed(numbers)}, which tell a model nothing"
    if several := [text for text in texts if _SEVERAL.search(text)]:
        yield f"names {listed(several)} hold | or ;: several names in one?"
    odd = [text for text in (*texts, *templates) if text.startswith(_ODD_BEGINNING) or text.endswith(_ODD_ENDING)]
    if odd:
        yield f"names or templates {listed(odd)} begin or end as if they were pasted from a list of a program"
    if len(names) == 1:
        yield f"there is one class, {listed(names)}, so that every answer is right"


def _is_number(name: str) -> bool:
    return name[:1] in "+-.0123456789" and numbers_of([name.strip()]) is not None


def _alike(names: Sequence[str]) -> Iterator[tuple[int, ...]]:
    """Yield the labels of every group of names that are one when they are folded."""
    groups: dict[str, list[int]] = {}
    for label, name in enumerate(names):
        groups.setdefault(folded(name), []).append(label)
    yield from (tuple(labels) for labels in groups.values() if len(labels) > 1)
