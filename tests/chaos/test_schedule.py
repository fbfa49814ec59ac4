"""Every schedule has every fault, and none asks for more than a run can bear."""

from __future__ import annotations

import pytest

from tests.chaos.schedule import DEADLY, MOST, MOST_DEATHS, End, Fault, draw


@pytest.mark.parametrize("seed", range(50))
def test_a_schedule_has_everything_once(seed):
    lives = draw(seed, tuple(Fault), tuple(End))
    whats = [step.what for life in lives for step in life.steps]
    assert sorted(whats) == sorted([*Fault, *End])
    assert len(lives) == len(End) + 1
    for number, life in enumerate(lives):
        assert sum(step.what in DEADLY for step in life.steps) <= MOST_DEATHS
        ends = [step.what for step in life.steps if isinstance(step.what, End)]
        assert len(ends) == (number < len(End))
        assert not ends or life.steps[-1].what == ends[0]
        assert all(0 < step.blocks <= MOST for step in life.steps)


def test_a_worker_that_hangs_is_alone():
    for seed in range(50):
        first, *others = draw(seed, tuple(Fault), tuple(End))
        assert (first.workers, first.steps[0].what, len(first.steps)) == (1, Fault.WORKER_HANGS, 2)
        assert all(life.workers == 3 for life in others)


def test_a_seed_is_a_schedule():
    drawn = {tuple(draw(seed, tuple(Fault), tuple(End))) for seed in range(50)}
    assert len(drawn) == 50
    assert draw(7, tuple(Fault), tuple(End)) == draw(7, tuple(Fault), tuple(End))
