"""One result ahead, no more; errors come in their turn."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest

from scc_core.ahead import one_ahead

PATIENCE = 60.0


def test_the_next_result_is_computed_meanwhile_and_no_further_one():
    started = [threading.Event() for _ in range(4)]

    def compute(item: int) -> int:
        started[item].set()
        return item * item

    results = one_ahead(compute, range(4))
    for item in range(4):
        assert next(results) == item * item
        if item < 3:
            assert started[item + 1].wait(PATIENCE)
        assert not any(event.is_set() for event in started[item + 2 :])
    assert list(results) == []


def test_an_error_comes_at_its_item_s_turn_and_ends_the_thread():
    calls = []

    def compute(item: int) -> float:
        calls.append(item)
        return 1 / item

    results = one_ahead(compute, [1, 2, 0, 4, 5])
    assert [next(results), next(results)] == [1.0, 0.5]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert calls == [1, 2, 0, 4]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]


def test_closing_ends_the_thread():
    with closing(one_ahead(abs, [-1, -2, -3])) as results:
        assert next(results) == 1
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]


def test_nothing_gives_nothing():
    assert list(one_ahead(abs, [])) == []
