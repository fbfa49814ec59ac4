"""Batch sizes: doubled while that is faster, halved when memory runs out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.batch_size import BatchSize


def settle(size: BatchSize, rate, batches=20):
    """Record the speed of every size that is tried; return the sizes in order."""
    tried = []
    for _ in range(batches):
        tried.append(size.size)
        size.record("profile", rate(size.size))
    return tried


def test_a_batch_grows_while_it_is_faster_and_goes_back_when_it_is_not():
    """Twice as fast up to 200, no faster above. The first batch, which also warms up, is not counted."""
    size = BatchSize(50, 3200)
    assert settle(size, lambda size: min(size, 200), 8) == [50, 50, 100, 200, 400, 200, 200, 200]
    assert not size.growing


def test_a_batch_grows_to_the_largest_and_stays():
    size = BatchSize(50, 400)
    assert settle(size, float, 6) == [50, 50, 100, 200, 400, 400]
    assert not size.growing


def test_speeds_of_different_work_are_not_compared():
    size = BatchSize(50, 3200)
    settle(size, float, 2)
    assert size.size == 100
    # Far slower work, which says nothing about the batch.
    size.record("long attack", 1.0)
    assert size.size == 200
    size.record("long attack", 1.05)
    assert (size.size, size.growing) == (100, False)


def test_a_given_size_is_kept():
    assert set(settle(BatchSize(33, 33), float)) == {33}


@given(st.integers(1, 400), st.integers(1, 400))
def test_out_of_memory_halves_what_was_tried_for_good(start, fits):
    size = BatchSize(start, 3200)
    while size.size > fits:
        size.out_of_memory(size.size)
    assert size.size <= fits
    if start > fits:
        assert size.size >= max(1, fits // 2)
        assert set(settle(size, float)) == {size.size}


@pytest.mark.parametrize(("tried", "left"), [(10, 5), (1, 1), (200, 50)])
def test_a_batch_that_was_capped_is_halved_from_the_cap(tried, left):
    size = BatchSize(50, 3200)
    size.out_of_memory(tried)
    assert size.size == left
