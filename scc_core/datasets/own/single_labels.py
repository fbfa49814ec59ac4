"""One label per image: what is measured is one answer, so that lists of labels are refused."""

from __future__ import annotations

import re
from collections.abc import Collection

from scc_core.errors import UserError, shown

_LIST = re.compile(r"[\[{(].*[,|;].*[\]})]|\[.*\]")
_SIGNS = ("|", ";")


def check_single_label(label: str, where: str) -> None:
    """Refuse a label that is several: parted by ``|`` or ``;``, or a list in brackets.

    Raises:
        UserError: the text begins with ``where``.
    """
    if any(sign in label for sign in _SIGNS) or _LIST.fullmatch(label.strip()):
        raise _several(label, where)


def check_no_comma_lists(labels: Collection[str], where: str) -> None:
    """Refuse labels with commas whose parts are labels, too: ``a, b`` beside ``a`` and ``b``.

    Raises:
        UserError: the text begins with ``where``.
    """
    known = set(labels)
    for label in labels:
        parts = [part.strip() for part in label.split(",")]
        if len(parts) > 1 and known.issuperset(parts):
            raise _several(label, where)


def _several(label: str, where: str) -> UserError:
    return UserError(
        f"{where}: {shown(label)} is several labels in one; what is measured is one answer per image, so give each "
        "image one label, or leave such images out"
    )
