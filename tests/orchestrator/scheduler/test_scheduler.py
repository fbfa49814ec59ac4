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
from orchestrator.scheduler.worker_pool import IDLE_SECONDS, MAX_FAILED_WORKERS, START_SECONDS, WorkerCounts
from scc_core.environment import Environment
from scc_core.identity import ModelSpec
from scc_core.machine.code import code_digest, distribution_version
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
from workers.report import Place

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
    holders = [handle for handle, shard in executor.shards if 23 in shard.blocks]
    assert len(holders) == 2
    assert holders[0] is not holders[1]


def test_workers_stay_with_their_model_and_divide_the_models():
    executor = FakeExecutor(Clock())
    run(executor, plan_of(*cells_of(("a", "b")), samples=1200), 2)
    by_handle = {handle: [s.model.name for h, s in executor.shards if h is handle] for handle in executor.handles}
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
    assert [counts.ready for counts in ledger.counts][:2] == [0, 0]
    assert max(counts.ready for counts in ledger.counts) == 3
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
    assert ledger.counts[0] == WorkerCounts(ready=0, starting=0, requested=1)
    assert executor.handles[0].resources.num_gpus == 1.0
    assert ledger.ticks >= 50


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


class Cluster:
    """Nodes with slots, of which each worker takes the first that is free, as Ray places actors.

    Args:
        slots: by the name of a node.
        codes: of the nodes that have other code than the driver.
    """

    def __init__(self, slots, **codes):
        self.slots, self.codes = slots, codes
        self.node_of = {}

    def room(self, handle):
        live = [node for one, node in self.node_of.items() if one.alive and not one.stopped]
        free = (node for node, count in self.slots.items() if live.count(node) < count)
        if handle not in self.node_of and (node := next(free, None)) is not None:
            self.node_of[handle] = node
        return handle in self.node_of

    def place(self, handle):
        node = self.node_of[handle]
        return Place(node, "0.9", self.codes.get(node, code_digest()))

    def nodes(self):
        return [Node(name, float(count), 0.0) for name, count in self.slots.items()]

    def executor(self, clock, script=lambda _handle, _shard: None):
        return FakeExecutor(clock, script, self.room, self.place)


def test_a_node_with_other_code_measures_nothing_and_is_named_once():
    """Its workers keep their places, so that the requests that follow go to the other node."""
    cluster = Cluster({"bad": 2, "good": 2}, bad="ff" * 32)
    executor = cluster.executor(Clock())
    ledger = run(executor, plan_of(*cells_of(), samples=1200), cluster.nodes)
    assert len(ledger.delivered) == 48
    assert {cluster.node_of[handle] for handle, _ in executor.shards} == {"good"}
    assert ledger.said == [
        "node bad is refused and measures nothing: its scc-bench is 0.9 with code ffffffffffff, "
        f"the driver's is {distribution_version()} with code {code_digest()[:12]}"
    ]
    assert len(executor.handles) == 4
    assert list(cluster.node_of.values()).count("bad") == 2
    assert max(counts.refused for counts in ledger.counts) == 2
    assert all(handle.stopped for handle in executor.handles)


def test_refused_workers_do_not_count_among_those_that_the_user_allows():
    cluster = Cluster({"bad": 2, "good": 2}, bad="ff" * 32)
    nodes = lambda: [Node(name, 4.0, float(count)) for name, count in cluster.slots.items()]  # noqa: E731
    executor = cluster.executor(Clock())
    ledger = run(executor, plan_of(*cells_of(), samples=1200), nodes, RunOptions(num_workers=2))
    assert len(ledger.delivered) == 48
    assert max(counts.ready for counts in ledger.counts) == 2


@pytest.mark.parametrize(
    ("code", "words"), [(None, "0.9, which does not tell its code"), ("f" * 64, "0.9 with code ffffffffffff")]
)
@pytest.mark.parametrize("can_grow", [False, True])
def test_a_run_whose_workers_are_all_refused_ends_at_once_and_names_the_nodes(code, words, can_grow):
    cluster = Cluster({"one": 1, "two": 1}, one=code, two=code)
    clock = Clock()
    executor = cluster.executor(clock)
    with pytest.raises(ClusterError) as caught:
        run(executor, plan_of(*cells_of(), samples=200), cluster.nodes, can_grow=can_grow)
    names = [f"node {node} is refused and measures nothing: its scc-bench is {words}" for node in ("one", "two")]
    assert str(caught.value).startswith("no worker is left: ")
    assert all(name in str(caught.value) for name in names)
    assert all(handle.stopped for handle in executor.handles)
    assert clock.now < 10


def test_the_place_of_a_refused_worker_is_free_again_when_its_node_has_left():
    """The node comes back with the driver's code, when the other one has gone."""
    clock = Clock()
    cluster = Cluster({"bad": 1, "good": 1}, bad="ff" * 32)
    begun = []

    def script(handle, shard):
        begun.append(cluster.node_of[handle])
        if len(begun) == 3:
            cluster.slots = {"good": 1}
        if len(begun) == 6:
            cluster.slots = {"good": 1, "new": 1}
        return Outcome(10.0)

    executor = cluster.executor(clock, script)
    ledger = run(executor, plan_of(*cells_of(epsilons=(1.0, 2.0, 3.0, 4.0)), samples=2400), cluster.nodes)
    assert len(ledger.delivered) == 4 * 2 * 48
    assert "new" in begun
    assert "bad" not in begun


def test_a_run_that_has_measured_waits_for_another_node_as_long_as_a_worker_may_take_to_start():
    clock = Clock()
    cluster = Cluster({"bad": 1, "good": 1}, bad="ff" * 32)
    measured = []

    def script(handle, shard):
        measured.append(clock.now)
        if len(measured) < 3:
            return None
        cluster.slots = {"bad": 1}
        return Outcome(1.0, WorkerLostError("its node was taken away"))

    executor = cluster.executor(clock, script)
    with pytest.raises(ClusterError, match=r"no worker is left: node bad is refused"):
        run(executor, plan_of(*cells_of(), samples=1200), cluster.nodes)
    assert START_SECONDS < clock.now - measured[-1] < START_SECONDS + 20


def test_a_worker_in_another_environment_is_told_once_with_what_differs():
    plain = Environment(code_digest(), "1", 1, "3.11.7", torch="2.15.0", threads=1)
    other = replace(plain, torch="2.6.0", variables=("MKL_CBWR=COMPATIBLE",))
    executor = FakeExecutor(Clock(), environment=lambda handle: plain if handle in executor.handles[:2] else other)
    ledger = run(executor, plan_of(*cells_of(), samples=1200), 4)
    assert ledger.said == [
        "worker host:2 computes in another environment than the first: torch 2.6.0 instead of 2.15.0; "
        "variables MKL_CBWR=COMPATIBLE instead of none. What both measure gets the badge `mixed environments`"
    ]


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
