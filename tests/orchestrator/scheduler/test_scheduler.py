"""The scheduler: every block is delivered once whatever happens, workers come and go, stragglers get a duplicate."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.cluster.capacity import Node
from orchestrator.cluster.executor import AttemptFailedError, ClusterError, WorkerLostError
from orchestrator.cluster.options import RunOptions
from orchestrator.scheduler.device_speeds import DeviceSpeeds
from orchestrator.scheduler.lease_manager import NoLeases, PlannedSpan
from orchestrator.scheduler.scheduler import TASKS_PER_WORKER, Scheduler
from orchestrator.scheduler.task_queue import TaskQueue
from orchestrator.scheduler.worker_pool import IDLE_SECONDS, MAX_FAILED_WORKERS
from scc_core.identity import ModelSpec
from scc_core.outcomes import Failure
from tests.orchestrator.clock import Clock
from tests.orchestrator.conftest import cell, component
from tests.orchestrator.scheduler.fake_executor import (
    NEVER,
    FakeExecutor,
    Ledger,
    Outcome,
    answered,
    capacity_of,
    plan_of,
)

FAULTS = ["death", "memory", "hang", "slow", "drains", "call", "component", "all components"]


def cells_of(models=("a",), epsilons=(4.0,), defenses=("none", "flip")):
    return [
        cell(model=ModelSpec(model, "ab" * 32), epsilon_255=epsilon, defense=component(name))
        for model in models
        for epsilon in epsilons
        for name in defenses
    ]


def outcome_of(fault, shard, chance):
    """How a shard ends with a fault."""
    done = shard.blocks[: chance.randrange(len(shard.blocks) + 1)]
    broken = dict.fromkeys(list(shard.defenses)[:1], Failure("RuntimeError: no", "trace"))
    partial = answered(shard, done, unfinished=shard.blocks[len(done) :], draining=True)
    rest = answered(replace(shard, defenses={k: v for k, v in shard.defenses.items() if k not in broken}), shard.blocks)
    return {
        "death": Outcome(1.0, WorkerLostError("killed")),
        "memory": Outcome(1.0, WorkerLostError("memory", out_of_memory=True)),
        "hang": Outcome(NEVER),
        "slow": Outcome(500.0),
        "drains": Outcome(1.0, partial),
        "call": Outcome(1.0, AttemptFailedError(Failure("TypeError: cannot pickle", "trace"))),
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
def test_every_block_is_delivered_once_or_its_cell_fails(faults, sizes, samples, limit, chance):
    """Deaths, hangs, memory kills, draining, errors and stragglers at any point, while nodes join and leave."""
    clock, ledger = Clock(), Ledger()
    planned = cells_of(("a", "b"), (1.0, 4.0))
    calls = iter(range(10**6))
    places = lambda: sizes[min(int(clock.now) // 7, len(sizes) - 1)]  # noqa: E731
    nodes = lambda: [Node("n", places() or float(clock.now > 100), 0.0)]  # noqa: E731

    def script(handle, shard):
        fault = faults.get(next(calls))
        return outcome_of(fault, shard, chance) if fault else None

    def room(handle):
        return clock.now > 100 or sum(other.placed for other in executor.working) < places()

    executor = FakeExecutor(clock, script, room)
    capacity = capacity_of(RunOptions(num_workers=limit), nodes, clock)
    Scheduler(
        TaskQueue(plan_of(*planned, samples=samples)), capacity, ledger, DeviceSpeeds(20.0), executor, clock
    ).run()
    blocks = range(-(-samples // 50))
    missing = {(one.key, block) for one in planned for block in blocks} - ledger.delivered
    assert {key for key, _ in missing} <= set(ledger.failures)
    assert len(ledger.delivered) + len(missing) == len(planned) * len(blocks)
    assert not executor.working
    if not set(faults.values()) & {"death", "memory", "hang", "call", "component", "all components"}:
        assert not missing


@settings(max_examples=50, deadline=None)
@given(workers=st.integers(1, 6), samples=st.integers(1, 1200))
def test_no_worker_ever_holds_more_than_its_tasks(workers, samples):
    clock = Clock()
    most = []

    def script(handle, shard):
        most.append(max(len(one.calls) for one in executor.handles))

    executor = FakeExecutor(clock, script)
    run(executor, plan_of(*cells_of(), samples=samples), workers)
    assert max(most) <= TASKS_PER_WORKER
    assert len(executor.handles) <= min(workers, -(-samples // 50))


def run(executor, plan, cpus, options=RunOptions(), *, can_grow=False, hang_seconds=600.0, leases=None):  # noqa: B008
    """Run a plan on so many cores; return what was delivered."""
    ledger = Ledger()
    nodes = cpus if callable(cpus) else lambda: [Node("n", float(cpus), 0.0)]
    capacity = capacity_of(options, nodes, executor.clock, can_grow=can_grow)
    Scheduler(TaskQueue(plan, leases), capacity, ledger, DeviceSpeeds(hang_seconds), executor, executor.clock).run()
    return ledger


def test_a_worker_that_hangs_is_ended_and_its_shard_measured_by_another():
    hung = []

    def script(handle, shard):
        if executor.clock.now > 10 and not hung:
            hung.append(handle)
            return Outcome(NEVER)
        return None

    executor = FakeExecutor(Clock(), script)
    ledger = run(executor, plan_of(*cells_of(), samples=1200), 1, hang_seconds=60.0)
    assert len(ledger.delivered) == 48
    assert not ledger.failures
    # Ten times what its blocks should take is the longer wait where a shard has more than six blocks.
    assert hung[0].stopped
    assert 60 < executor.clock.now < 24 + 60 + 10 * 24


def test_the_cells_of_a_shard_that_hangs_everywhere_fail():
    executor = FakeExecutor(Clock(), lambda _handle, shard: Outcome(NEVER) if 3 in shard.blocks else None)
    ledger = run(executor, plan_of(*cells_of(), samples=200), 1, hang_seconds=5.0)
    assert set(ledger.failures) == {one.key for one in cells_of()}
    assert (
        "3 workers died while measuring this cell's shard: worker 0 gave no answer for"
        in next(iter(ledger.failures.values())).error
    )


def test_a_straggler_at_the_end_gets_a_duplicate_and_counts_once():
    slow = []

    def script(handle, shard):
        if 23 in shard.blocks and not slow:
            slow.append(handle)
            return Outcome(10_000.0)
        return None

    executor = FakeExecutor(Clock(), script)
    ledger = run(executor, plan_of(*cells_of(), samples=1200), 2)
    assert len(ledger.delivered) == 48
    assert executor.clock.now < 100
    holders = [handle for handle, shard, _ in executor.shards if 23 in shard.blocks]
    assert len(holders) == 2
    assert holders[0] is not holders[1]


def test_workers_stay_with_their_model_and_divide_the_models():
    executor = FakeExecutor(Clock())
    run(executor, plan_of(*cells_of(("a", "b")), samples=1200), 2)
    by_handle = {handle: [s.model.name for h, s, _ in executor.shards if h is handle] for handle in executor.handles}
    first, second = by_handle.values()
    assert {first[0], second[0]} == {"a", "b"}
    assert all(sum(x != y for x, y in pairwise(m)) <= 1 for m in (first, second))


def test_nodes_that_join_get_workers_and_idle_workers_are_removed():
    clock = Clock()
    nodes = lambda: [Node(str(n), 1.0, 0.0) for n in range(1 if clock.now < 8 else 3)]  # noqa: E731
    ends = {}

    def script(handle, shard):
        ends[handle] = clock.now
        # The last block takes so long, everywhere, that idle workers are removed meanwhile.
        return Outcome(100.0) if 23 in shard.blocks else None

    executor = FakeExecutor(clock, script)
    ledger = run(executor, plan_of(*cells_of(), samples=1200), nodes)
    assert len(ledger.delivered) == 48
    assert [ready for ready, _, _ in ledger.counts][:2] == [0, 0]
    assert max(ready for ready, _, _ in ledger.counts) == 3
    assert ledger.counts[-1][0] < 3
    assert clock.now > IDLE_SECONDS


def test_workers_are_requested_beyond_the_slots_while_the_work_is_worth_it():
    """The clock runs a second per block: 24 blocks are not worth a node once their speed is known, 2,400 are."""
    for samples, expected in ((1200, 0), (120_000, 1)):
        one = cell()
        big = replace(one, dataset=replace(one.dataset, size=samples))
        requests = []

        def script(handle, shard):
            if 12 in shard.blocks:
                requests.append(sum(not one.placed for one in executor.working))  # noqa: B023

        executor = FakeExecutor(Clock(), script, room=lambda handle: handle is executor.handles[0])  # noqa: B023
        ledger = run(executor, plan_of(big, samples=samples), 1, can_grow=True)
        assert len(ledger.delivered) == samples // 50
        assert requests == [expected]


def test_a_cluster_without_slots_is_waited_for():
    clock = Clock()
    executor = FakeExecutor(clock, room=lambda _handle: clock.now >= 50)
    ledger = run(executor, plan_of(*cells_of(), samples=200), list, can_grow=True)
    assert len(ledger.delivered) == 8
    assert ledger.counts[0] == (0, 0, 1)
    assert executor.handles[0].resources.num_gpus == 1.0
    assert ledger.ticks >= 50


def test_new_workers_begin_with_the_batch_that_others_found():
    clock = Clock()
    nodes = lambda: [Node("n", 1.0 if clock.now < 8 else 2.0, 0.0)]  # noqa: E731

    def script(handle, shard):
        return Outcome(float(len(shard.blocks)), answered(shard, shard.blocks, batch_size=400))

    executor = FakeExecutor(clock, script)
    run(executor, plan_of(*cells_of(), samples=1200), nodes)
    firsts = {handle: next(size for h, _, size in executor.shards if h is handle) for handle in executor.handles}
    assert list(firsts.values()) == [None, 400]


def test_workers_that_all_die_at_once_count_as_one_death():
    dead = []

    def script(handle, shard):
        if handle in executor.handles[:24]:
            dead.append(handle)
            return Outcome(1.0, WorkerLostError("its node died"))
        return None

    executor = FakeExecutor(Clock(), script)
    ledger = run(executor, plan_of(*cells_of(), samples=1200), 24)
    assert len(dead) > MAX_FAILED_WORKERS
    assert len(ledger.delivered) == 48


def test_workers_that_die_one_after_another_end_the_run_with_the_reason():
    executor = FakeExecutor(Clock(), lambda _handle, _shard: Outcome(1.0, WorkerLostError("no such library")))
    epsilons = [number / 8 for number in range(1, 40)]
    with pytest.raises(ClusterError, match=r"11 workers in a row died .* the last because: no such library"):
        run(executor, plan_of(*cells_of(epsilons=epsilons), samples=200), 1)
    assert not executor.working


def test_the_cells_of_shards_that_kill_every_worker_fail_and_the_rest_goes_on():
    epsilons = [number / 8 for number in range(1, 21)]
    deadly = {one.key for one in cells_of(epsilons=epsilons)[2:]}

    def script(handle, shard):
        return Outcome(1.0, WorkerLostError("killed")) if deadly & set(shard.defenses) else None

    # The heaviest group, of more steps, comes first and shows that the machine works.
    attack = component("pgd", "attack", num_steps=50)
    healthy = [replace(one, threat=replace(one.threat, attack=attack)) for one in cells_of()]
    plan = plan_of(*healthy, *cells_of(epsilons=epsilons)[2:], samples=50)
    ledger = run(FakeExecutor(Clock(), script), plan, 1)
    assert set(ledger.failures) == deadly
    assert {key for key, _ in ledger.delivered} == {one.key for one in healthy}


def test_a_cluster_that_is_gone_ends_the_run_with_one_line():
    class Unreachable(FakeExecutor):
        def wait(self, tickets, seconds):
            if self.clock.now > 5:
                raise ConnectionError("Client is shutting down.\nand more")
            return super().wait(tickets, seconds)

    with pytest.raises(ClusterError, match=r"^the Ray cluster is gone \(Client is shutting down\.\)$"):
        run(Unreachable(Clock()), plan_of(*cells_of(), samples=1200), 1)


class HeldByAnother(NoLeases):
    """Another driver holds every second span until some moment."""

    def __init__(self, clock: Clock, until: float) -> None:
        self._clock, self._until = clock, until
        self._held: list[PlannedSpan] = []

    @property
    def waiting(self) -> bool:
        return bool(self._held)

    def acquire(self, queued: deque[PlannedSpan]) -> list[PlannedSpan]:
        while queued:
            planned = queued.popleft()
            if planned.number % 2:
                return [planned]
            self._held.append(planned)
        return []

    def acquire_released(self) -> list[PlannedSpan]:
        if self._clock() < self._until:
            return []
        released, self._held = self._held, []
        return released


def test_what_another_driver_holds_is_waited_for_without_keeping_workers():
    clock = Clock()
    executor = FakeExecutor(clock)
    plan = plan_of(*cells_of(epsilons=(1.0, 2.0, 4.0)), samples=200)
    ledger = run(executor, plan, 2, leases=HeldByAnother(clock, 100.0))
    assert len(ledger.delivered) == 3 * 2 * 4
    assert clock.now > 100
    ready = [counts[0] for counts in ledger.counts]
    # Some work, then none for so long that the workers are removed, then the rest.
    assert 0 in ready[ready.index(1) :]
    assert len(executor.handles) > 2


class Refusing(Ledger):
    """Finds that nothing of one cell can be stored."""

    def __init__(self, refused):
        super().__init__()
        self.refused = refused

    def shard_measured(self, worker, task, measurement):
        super().shard_measured(worker, task, measurement)
        return {result.cell for result in measurement.results} & {self.refused}


def test_a_cell_whose_results_cannot_be_stored_is_given_up():
    good, bad = cells_of(defenses=("none", "flip"))
    ledger, clock = Refusing(bad.key), Clock()
    executor = FakeExecutor(clock, lambda _handle, _shard: None)
    capacity = capacity_of(RunOptions(num_workers=1), lambda: [Node("n", 1.0, 0.0)], clock)
    queue = TaskQueue(plan_of(good, bad, samples=50 * 400))
    Scheduler(queue, capacity, ledger, DeviceSpeeds(20.0), executor, clock).run()
    delivered = [cell for cell, _ in ledger.delivered]
    assert delivered.count(good.key) == 400
    assert 0 < delivered.count(bad.key) < 400
