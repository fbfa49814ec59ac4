"""BlockRanges: the arithmetic of sets, with Python's own sets as the oracle."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from scc_core.blocks import BlockRanges, cuts

NUMBERS = st.sets(st.integers(0, 40))
RANGES = st.lists(st.builds(lambda start, size: range(start, start + size), st.integers(0, 40), st.integers(0, 9)))


def assert_is(intervals: BlockRanges, numbers: set[int]) -> None:
    assert list(intervals) == sorted(numbers)
    assert len(intervals) == len(numbers)
    assert bool(intervals) == bool(numbers)
    assert all(one.step == 1 and one for one in intervals.ranges)
    assert all(one.stop < other.start for one, other in pairwise(intervals.ranges))


@given(RANGES)
def test_a_union_of_ranges_holds_their_numbers(ranges):
    assert_is(BlockRanges.of(*ranges), {number for one in ranges for number in one})


@given(NUMBERS, NUMBERS)
def test_arithmetic_is_that_of_sets(one, other):
    first, second = BlockRanges.of_numbers(one), BlockRanges.of_numbers(other)
    assert_is(first | second, one | other)
    assert_is(first & second, one & other)
    assert_is(first - second, one - other)
    assert (first == second) == (one == other)


@given(st.lists(NUMBERS, max_size=5))
def test_between_two_cuts_every_set_holds_all_or_nothing(sets):
    pieces = list(cuts(BlockRanges.of_numbers(numbers) for numbers in sets))
    assert all(one.stop == other.start for one, other in pairwise(pieces))
    assert set().union(*sets) <= {number for piece in pieces for number in piece}
    for piece in pieces:
        assert all(numbers >= set(piece) or not numbers & set(piece) for numbers in sets)


def test_what_lies_side_by_side_is_one_range():
    assert BlockRanges.of(range(500_000, 10**6), range(500_000)) == BlockRanges((range(10**6),))
    assert len(BlockRanges.of(range(10**6)) - BlockRanges.of(range(10, 20), range(30, 40))) == 10**6 - 20
