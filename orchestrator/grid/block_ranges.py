"""Sets of block numbers as ranges: a million blocks that lie side by side cost as much as one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Intervals:
    """A set of whole numbers.

    Attributes:
        ranges: sorted, none empty, with a gap between one and the next, so that equal sets are equal.
    """

    ranges: tuple[range, ...] = ()

    @classmethod
    def of(cls, *ranges: range) -> Intervals:
        """Return the union of ranges of step 1, in any order, which may be empty and may overlap."""
        merged: list[range] = []
        for one in sorted((one for one in ranges if one), key=lambda one: one.start):
            if merged and one.start <= merged[-1].stop:
                merged[-1] = range(merged[-1].start, max(merged[-1].stop, one.stop))
            else:
                merged.append(one)
        return cls(tuple(merged))

    @classmethod
    def of_numbers(cls, numbers: Iterable[int]) -> Intervals:
        """Return the set of ``numbers``, in any order, which may repeat."""
        return cls.of(*(range(number, number + 1) for number in numbers))

    def __len__(self) -> int:
        return sum(len(one) for one in self.ranges)

    def __bool__(self) -> bool:
        return bool(self.ranges)

    def __iter__(self) -> Iterator[int]:
        for one in self.ranges:
            yield from one

    def __or__(self, other: Intervals) -> Intervals:
        return Intervals.of(*self.ranges, *other.ranges)

    def __sub__(self, other: Intervals) -> Intervals:
        return self & other._gaps()

    def __and__(self, other: Intervals) -> Intervals:
        return Intervals(tuple(_overlaps(self.ranges, other.ranges)))

    def _gaps(self) -> Intervals:
        """Return the complement, as far as :class:`range` has a length."""
        edges = [-_FAR, *(edge for one in self.ranges for edge in (one.start, one.stop)), _FAR]
        return Intervals(tuple(range(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True)))


_FAR = 2**62


def _overlaps(first: tuple[range, ...], second: tuple[range, ...]) -> Iterator[range]:
    """Walk over both from left to right; of the two at hand, the one that ends first is done."""
    left, right = 0, 0
    while left < len(first) and right < len(second):
        one, other = first[left], second[right]
        common = range(max(one.start, other.start), min(one.stop, other.stop))
        if common:
            yield common
        left, right = left + (one.stop <= other.stop), right + (other.stop <= one.stop)


def cuts(sets: Iterable[Intervals]) -> Iterator[range]:
    """Cut the numbers from the least to the greatest edge of ``sets`` wherever one of them begins or ends a range."""
    edges = sorted({edge for one in sets for part in one.ranges for edge in (part.start, part.stop)})
    return (range(start, stop) for start, stop in pairwise(edges))
