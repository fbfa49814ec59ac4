"""Keys and names of classes that are numbers, in the many ways in which tables and folders write them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

_NUMBERED = re.compile(
    r"(?P<prefix>\D*?)(?P<sign>(?<!\w)[+-])?(?P<number>\d{1,99}(\.\d*)?(e[+-]?\d{1,2})?)", re.IGNORECASE
)


def numbers_of(texts: Sequence[str]) -> list[Decimal] | None:
    """Return the number that each text is, as in ``7``, ``7.0``, ``07`` and ``class_7``; None if one is another text.

    Before their numbers all need the same text, if any.
    """
    found = [match for match in map(_NUMBERED.fullmatch, texts) if match]
    if len(found) < len(texts) or len({match["prefix"].lower() for match in found}) > 1:
        return None
    return [Decimal(f"{match['sign'] or ''}{match['number']}") for match in found]
