"""The schedule: every block delivered once whatever happens, workers that come and go, late shards run twice."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.cluster.capacity import Node
from orchestrator.cluster.executor import CallFailedError, ScheduleError, WorkerLostError
from orchestrator.cluster.options import RunOptions
from orchestrator.scheduler.device_speeds import Speeds
from orchestrator.scheduler.leases import Alone, Share
from orchestrator.scheduler.scheduler import TASKS_PER_WORKER, Schedule
from orchestrator.scheduler.task_queue import WorkQueue
from orchestrator.scheduler.worker_pool import IDLE_SECONDS, MAX_FRUITLESS_STARTS
from scc_core.identity import ModelSpec
from scc_core.outcomes import Failure
from tests.orchestrator.conftest import cell, component
from tests.orchestrator.scheduler.fake_executor import (
    NEVER,
    Clock,
    FakeCrew,
    Ledger,
    Outcome,
    answered,
    plan_of,
    pool_of,
)

FAULTS = ["death", "memory", "hang", "slow", "leaves", "call", "component", "all components"]


def cells_of(models=("a",), epsilons=(4.0,), defenses=("none", "flip")):
    return [
        cell(model=ModelSpec(model, "ab" * 32), epsilon_255=epsilon, defense=component(name))
        for model in models
        for epsilon in epsilons
        for name in defenses
    ]


def outcome_of(fault, shard, chance):
    """What a fault makes of a shard."""
    done = shard.blocks[: chance.randrange(len(shard.blocks) + 1)]
    broken = dict.fromkeys(list(shard.defenses)[:1], Failure("RuntimeError: no", "trace"))
    partial = answered(shard, done, unfinished=shard.blocks[len(done) :], leaving=True)
    rest = answered(replace(shard, defenses={k: v for k, v in shard.defenses.items() if k not in broken}), shard.blocks)
    return {
        "death": Outcome(1.0, WorkerLostError("killed")),
        "memory": Outcome(1.0, WorkerLostError("memory", out_of_memory=True)),
        "hang": Outcome(NEVER),
        "slow": Outcome(500.0),
        "leaves": Outcome(1.0, partial),
        "call": Outcome(1.0, CallFailedError(Failure("TypeError: cannot pickle", "trace"))),
        "component": Outcome(1.0, replace(rest, failures=broken)),
        "all components": Outcome(1.0, replace(rest, results=[], failures=dict.fromkeys(shard.defenses, broken))),
    }[fault]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    faults=st.dictionaries(st.integers(0, 25), st.sampled_from(FAULTS), max_size=9),
    sizes=st.lists(st.integers(0, 4), min_size=1, max_size=12),
    samples=st.integers(1, 1200),
    limit=st.one_of(st.none(), st.integers(1, 5)),
    chance=st.integers(0, 2**16).map(random.Random),
)
def test_every_block_is_delivered_once_or_its_cell_is_given_up(faults, sizes, samples, limit, chance):
    """Deaths, hangs, memory, notices, errors and late answers at any place, while nodes join and leave."""
    clock, ledger = Clock(), Ledger()
    planned = cells_of(("a", "b"), (1.0, 4.0))
    calls = iter(range(10**6))
    places = lambda: sizes[min(int(clock.now) // 7, len(sizes) - 1)]  # noqa: E731
    nodes = lambda: [Node("n", places() or float(clock.now > 100), 0.0)]  # noqa: E731

    def script(handle, shard):
        fault = faults.get(next(calls))
        return outcome_of(fault, shard, chance) if fault else None

    def room(handle):
        return clock.now > 100 or sum(other.placed for other in crew.working) < places()

    crew = FakeCrew(clock, script, room)
    pool = pool_of(RunOptions(num_workers=limit), nodes, clock)
    Schedule(WorkQueue(plan_of(*planned, samples=samples)), pool, ledger, Speeds(20.0), crew, clock).run()
    blocks = range(-(-samples // 50))
    missing = {(one.key, block) for one in planned for block in blocks} - ledger.delivered
    assert {key for key, _ in missing} <= set(ledger.given_up)
    assert len(ledger.delivered) + len(missing) == len(planned) * len(blocks)
    assert not crew.working
    if not set(faults.values()) & {"death", "memory", "hang", "call", "component", "all components"}:
        assert not missing


@settings(max_examples=50, deadline=None)
@given(workers=st.integers(1, 6), samples=st.integers(1, 1200))
def test_no_worker_ever_holds_more_than_its_share(workers, samples):
    clock = Clock()
    most = []

    def script(handle, shard):
        most.append(max(len(one.calls) for one in crew.handles))

    crew = FakeCrew(clock, script)
    run(crew, plan_of(*cells_of(), samples=samples), workers)
    assert max(most) <= TASKS_PER_WORKER
    assert len(crew.handles) <= min(workers, -(-samples // 50))


def run(crew, plan, cpus, options=RunOptions(), *, grows=False, hang_seconds=600.0, claims=None):  # noqa: B008
    """Run a plan on so many cores; return what was delivered."""
    ledger = Ledger()
    nodes = cpus if callable(cpus) else lambda: [Node("n", float(cpus), 0.0)]
    pool = pool_of(options, nodes, crew.clock, grows=grows)
    Schedule(WorkQueue(plan, claims), pool, ledger, Speeds(hang_seconds), crew, crew.clock).run()
    return ledger


def test_a_worker_that_hangs_is_ended_and_its_shard_measured_by_another():
    hung = []

    def script(handle, shard):
        if crew.clock.now > 10 and not hung:
            hung.append(handle)
            return Outcome(NEVER)
        return None

    crew = FakeCrew(Clock(), script)
    ledger = run(crew, plan_of(*cells_of(), samples=1200), 1, hang_seconds=60.0)
    assert len(ledger.delivered) == 48
    assert not ledger.given_up
    # Ten times what its blocks should take is the longer wait where a shard has more than six blocks.
    assert hung[0].stopped
    assert 60 < crew.clock.now < 24 + 60 + 10 * 24


def test_a_shard_that_hangs_everywhere_is_given_up():
    crew = FakeCrew(Clock(), lambda _handle, shard: Outcome(NEVER) if 3 in shard.blocks else None)
    ledger = run(crew, plan_of(*cells_of(), samples=200), 1, hang_seconds=5.0)
    assert set(ledger.given_up) == {one.key for one in cells_of()}
    assert (
        "3 workers died while measuring this cell's shard: worker 0 gave no answer for"
        in next(iter(ledger.given_up.values())).error
    )


def test_a_late_shard_at_the_end_is_run_a_second_time_and_counts_once():
    slow = []

    def script(handle, shard):
        if 23 in shard.blocks and not slow:
            slow.append(handle)
            return Outcome(10_000.0)
        return None

    crew = FakeCrew(Clock(), script)
    ledger = run(crew, plan_of(*cells_of(), samples=1200), 2)
    assert len(ledger.delivered) == 48
    assert crew.clock.now < 100
    holders = [handle for handle, shard, _ in crew.shards if 23 in shard.blocks]
    assert len(holders) == 2
    assert holders[0] is not holders[1]


def test_workers_stay_with_their_model_and_share_the_models_out():
    crew = FakeCrew(Clock())
    run(crew, plan_of(*cells_of(("a", "b")), samples=1200), 2)
    by_handle = {handle: [s.model.name for h, s, _ in crew.shards if h is handle] for handle in crew.handles}
    first, second = by_handle.values()
    assert {first[0], second[0]} == {"a", "b"}
    assert all(sum(x != y for x, y in pairwise(m)) <= 1 for m in (first, second))


def test_nodes_that_join_get_workers_and_workers_without_work_are_let_go():
    clock = Clock()
    nodes = lambda: [Node(str(n), 1.0, 0.0) for n in range(1 if clock.now < 8 else 3)]  # noqa: E731
    ends = {}

    def script(handle, shard):
        ends[handle] = clock.now
        # The last block takes so long, everywhere, that whoever is idle is let go meanwhile.
        return Outcome(100.0) if 23 in shard.blocks else None

    crew = FakeCrew(clock, script)
    ledger = run(crew, plan_of(*cells_of(), samples=1200), nodes)
    assert len(ledger.delivered) == 48
    assert [ready for ready, _, _ in ledger.staff][:2] == [0, 0]
    assert max(ready for ready, _, _ in ledger.staff) == 3
    assert ledger.staff[-1][0] < 3
    assert clock.now > IDLE_SECONDS


def test_workers_are_asked_for_beyond_the_room_while_the_work_is_worth_it():
    """The clock runs a second per block: 24 blocks are not worth a node once their speed is known, 2,400 are."""
    for samples, expected in ((1200, 0), (120_000, 1)):
        one = cell()
        big = replace(one, dataset=replace(one.dataset, size=samples))
        wishes = []

        def script(handle, shard):
            if 12 in shard.blocks:
                wishes.append(sum(not one.placed for one in crew.working))  # noqa: B023

        crew = FakeCrew(Clock(), script, room=lambda handle: handle is crew.handles[0])  # noqa: B023
        ledger = run(crew, plan_of(big, samples=samples), 1, grows=True)
        assert len(ledger.delivered) == samples // 50
        assert wishes == [expected]


def test_a_cluster_without_room_is_waited_for():
    clock = Clock()
    crew = FakeCrew(clock, room=lambda _handle: clock.now >= 50)
    ledger = run(crew, plan_of(*cells_of(), samples=200), list, grows=True)
    assert len(ledger.delivered) == 8
    assert ledger.staff[0] == (0, 0, 1)
    assert crew.handles[0].resources.num_gpus == 1.0
    assert ledger.ticks >= 50


def test_new_workers_begin_with_the_batch_that_others_found():
    clock = Clock()
    nodes = lambda: [Node("n", 1.0 if clock.now < 8 else 2.0, 0.0)]  # noqa: E731

    def script(handle, shard):
        return Outcome(float(len(shard.blocks)), answered(shard, shard.blocks, batch_size=400))

    crew = FakeCrew(clock, script)
    run(crew, plan_of(*cells_of(), samples=1200), nodes)
    firsts = {handle: next(size for h, _, size in crew.shards if h is handle) for handle in crew.handles}
    assert list(firsts.values()) == [None, 400]


def test_workers_that_all_die_at_once_count_as_one_death():
    dead = []

    def script(handle, shard):
        if handle in crew.handles[:24]:
            dead.append(handle)
            return Outcome(1.0, WorkerLostError("its node died"))
        return None

    crew = FakeCrew(Clock(), script)
    ledger = run(crew, plan_of(*cells_of(), samples=1200), 24)
    assert len(dead) > MAX_FRUITLESS_STARTS
    assert len(ledger.delivered) == 48


def test_workers_that_die_one_after_another_end_the_run_with_the_reason():
    crew = FakeCrew(Clock(), lambda _handle, _shard: Outcome(1.0, WorkerLostError("no such library")))
    epsilons = [number / 8 for number in range(1, 40)]
    with pytest.raises(ScheduleError, match=r"11 workers in a row died .* the last because: no such library"):
        run(crew, plan_of(*cells_of(epsilons=epsilons), samples=200), 1)
    assert not crew.working


def test_shards_that_kill_every_worker_are_given_up_and_the_rest_goes_on():
    epsilons = [number / 8 for number in range(1, 21)]
    deadly = {one.key for one in cells_of(epsilons=epsilons)[2:]}

    def script(handle, shard):
        return Outcome(1.0, WorkerLostError("killed")) if deadly & set(shard.defenses) else None

    # The heaviest group, of more steps, comes first and shows that the machine works.
    attack = component("pgd", "attack", num_steps=50)
    healthy = [replace(one, threat=replace(one.threat, attack=attack)) for one in cells_of()]
    plan = plan_of(*healthy, *cells_of(epsilons=epsilons)[2:], samples=50)
    ledger = run(FakeCrew(Clock(), script), plan, 1)
    assert set(ledger.given_up) == deadly
    assert {key for key, _ in ledger.delivered} == {one.key for one in healthy}


def test_a_cluster_that_is_gone_ends_the_run_with_one_line():
    class Unreachable(FakeCrew):
        def wait(self, tickets, seconds):
            if self.clock.now > 5:
                raise ConnectionError("Client is shutting down.\nand more")
            return super().wait(tickets, seconds)

    with pytest.raises(ScheduleError, match=r"^the Ray cluster is gone \(Client is shutting down\.\)$"):
        run(Unreachable(Clock()), plan_of(*cells_of(), samples=1200), 1)


class HeldElsewhere(Alone):
    """Another driver holds every second share until some moment."""

    def __init__(self, clock: Clock, until: float) -> None:
        self._clock, self._until = clock, until
        self._aside: list[Share] = []

    @property
    def waiting(self) -> bool:
        return bool(self._aside)

    def draw(self, shares: deque[Share]) -> list[Share]:
        while shares:
            share = shares.popleft()
            if share[0] % 2:
                return [share]
            self._aside.append(share)
        return []

    def freed(self) -> list[Share]:
        if self._clock() < self._until:
            return []
        freed, self._aside = self._aside, []
        return freed


def test_what_another_driver_holds_is_waited_for_without_keeping_workers():
    clock = Clock()
    crew = FakeCrew(clock)
    plan = plan_of(*cells_of(epsilons=(1.0, 2.0, 4.0)), samples=200)
    ledger = run(crew, plan, 2, claims=HeldElsewhere(clock, 100.0))
    assert len(ledger.delivered) == 3 * 2 * 4
    assert clock.now > 100
    ready = [counts[0] for counts in ledger.staff]
    # Some work, then none for long enough to let go of them, then the rest.
    assert 0 in ready[ready.index(1) :]
    assert len(crew.handles) > 2
