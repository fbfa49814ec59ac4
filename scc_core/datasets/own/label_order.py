"""The order of classes that only their keys give: by value where all are numbers, else by text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from scc_core.datasets.numbered import numbers_of

_DIGITS = re.compile(r"(\d+)")


def order_keys(keys: Sequence[str]) -> tuple[str, ...]:
    """Sort keys by value if all are numbers, else by text."""
    numbers = numbers_of(keys)
    if numbers is None:
        return tuple(sorted(keys))
    return tuple(key for _, key in sorted(zip(numbers, keys, strict=True)))


def doubt_numbers(ordered: Sequence[str]) -> Iterator[str]:
    """Yield a line where keys, in the order of :func:`order_keys`, are numbers that are not written plainly."""
    numbers = numbers_of(ordered)
    if numbers is None:
        return
    odd = [key for key, number in zip(ordered, numbers, strict=True) if key != str(int(number))]
    if odd:
        yield f"labels are numbers written as {odd[0]!r}: sorted by value, {ordered[0]!r} to {ordered[-1]!r}"
    for (one, value), (other, next_value) in pairwise(zip(ordered, numbers, strict=True)):
        if value == next_value:
            yield f"labels {one!r} and {other!r} are the same number, but two classes"


def doubt_positions(ordered: Sequence[str]) -> Iterator[str]:
    """Yield a line on what speaks against names that are given by position in the order of :func:`order_keys`."""
    clear = "lines of the form KEY = NAME leave no doubt"
    numbers = numbers_of(ordered)
    if numbers is None:
        natural = sorted(ordered, key=_by_value_within)
        for one, other in zip(ordered, natural, strict=True):
            if one != other:
                yield f"names by position follow the order of text, where {one!r} comes before {other!r}; {clear}"
                return
        return
    for (one, value), (other, next_value) in pairwise(zip(ordered, numbers, strict=True)):
        if next_value - value > 1:
            yield f"names by position pass over what is missing between labels {one!r} and {other!r}; {clear}"
            return


def _by_value_within(key: str) -> list[tuple[int, int, str]]:
    """Return a sort key by which ``10_a`` comes after ``9_b``."""
    parts = _DIGITS.split(key)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]
