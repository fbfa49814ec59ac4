"""One result ahead, computed in its own time; errors come to whoever asks for what failed."""

from __future__ import annotations

import threading

import pytest

from scc_core.datasets.pixels.prefetch import Prefetcher

PATIENCE = 60.0


class Squares:
    """Squares numbers when it may, and notes the order."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.threads: set[int] = set()
        self.may = {number: threading.Event() for number in range(5)}
        self.started = {number: threading.Event() for number in range(5)}

    def __call__(self, number: int) -> int:
        self.calls.append(number)
        self.threads.add(threading.get_ident())
        self.started[number].set()
        assert self.may[number].wait(PATIENCE)
        if number == 3:
            raise ZeroDivisionError
        return number * number


@pytest.fixture
def squares() -> Squares:
    return Squares()


def test_what_is_begun_is_computed_by_another_thread_and_only_once(squares):
    ahead = Prefetcher(squares)
    ahead.begin(2)
    assert squares.started[2].wait(PATIENCE)
    squares.may[2].set()
    assert ahead.get(2) == 4
    assert squares.calls == [2]
    assert threading.get_ident() not in squares.threads
    assert ahead.get(2) == 4
    assert squares.calls == [2, 2]


def test_another_result_waits_for_the_one_that_runs_and_is_not_confused_with_it(squares):
    for event in squares.may.values():
        event.set()
    squares.may[1].clear()
    ahead = Prefetcher(squares)
    ahead.begin(1)
    assert squares.started[1].wait(PATIENCE)
    threading.Thread(target=squares.may[1].set).start()
    assert ahead.get(4) == 16
    assert squares.calls == [1, 4]
    assert ahead.get(1) == 1


def test_a_later_beginning_replaces_one_that_nobody_asked_for(squares):
    for event in squares.may.values():
        event.set()
    ahead = Prefetcher(squares)
    for number in (0, 1, 2):
        ahead.begin(number)
    assert ahead.get(2) == 4
    assert squares.calls[-1] == 2
    assert ahead.get(0) == 0


def test_an_error_comes_to_whoever_asks_for_that_result(squares):
    for event in squares.may.values():
        event.set()
    ahead = Prefetcher(squares)
    ahead.begin(3)
    with pytest.raises(ZeroDivisionError):
        ahead.get(3)
    ahead.begin(3)
    assert ahead.get(4) == 16
