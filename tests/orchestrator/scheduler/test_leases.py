"""Leases on a real PostgreSQL server: two drivers divide their cells; the tiles of a dead one go to the other."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter, deque
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.grid.cell import Cell
from orchestrator.plan.plan import make_plan
from orchestrator.scheduler.lease_manager import PlannedSpan
from orchestrator.scheduler.leases import DatabaseLeases
from orchestrator.store import TILE_BLOCKS, DriverRecord, ResultStore, Tile, block_rows
from orchestrator.store.engine import Database
from orchestrator.writing.reconnect import DatabaseConnection
from scc_core.errors import UserError
from scc_core.outcomes import BlockResult
from tests.orchestrator.clock import Clock
from tests.orchestrator.postgresql import Server
from tests.orchestrator.store.builders import make_block, make_cell, make_record

NONE, TTC, SCC = (
    make_cell(defense=replace(make_cell().defense, name=name, label=name)) for name in ("none", "ttc", "scc")
)
OTHER = make_cell(seed=1)
TEMPLATE = make_block(NONE)


@pytest.fixture
def store(postgresql_url: str):
    with ResultStore.open(postgresql_url) as opened:
        yield opened


class Driver:
    """The part of a run that uses leases: it takes spans, and delivers their blocks when a test says so."""

    def __init__(self, store: ResultStore, cells: dict[Cell, int], clock: Clock) -> None:
        self.store = store
        self.run = store.start_run(make_record(), {cell: blocks * 50 for cell, blocks in cells.items()})
        self.plan = make_plan({cell: blocks * 50 for cell, blocks in cells.items()}, store.measured_blocks)
        self.queued = deque(PlannedSpan(number, span) for number, span in enumerate(self.plan.spans))
        self.elsewhere: Counter[str] = Counter()
        self.lines: list[str] = []
        self.connection = DatabaseConnection(store, self.lines.append, "and so on", clock)
        self.leases = DatabaseLeases(store, self.run, self._count, self.connection, clock)
        self.computed: Counter[tuple[str, int]] = Counter()

    @property
    def lease_seconds(self) -> float:
        return self.leases._driver.lease_seconds

    def _count(self, cell: str, blocks: int) -> None:
        self.elsewhere[cell] += blocks

    def begin(self) -> list[BlockResult]:
        """Begin the next spans, or what other drivers have released."""
        spans = self.leases.acquire(self.queued) or self.leases.acquire_released()
        begun = [
            replace(TEMPLATE, cell=cell.key, block=block)
            for _, span in spans
            for cell in span.cells
            for block in span.blocks
        ]
        self.computed.update((result.cell, result.block) for result in begun)
        return begun

    def deliver(self, results: list[BlockResult]) -> None:
        rows = block_rows(results)
        self.store.write_rows(self.run, rows, {})
        self.leases.blocks_written(rows)
        self.leases.tick()


def exchange_heartbeats(*drivers: Driver) -> None:
    """Let each driver learn of the others, as their heartbeats do in time."""
    for driver in drivers:
        driver.leases.heartbeat()


def leased(store: ResultStore) -> int:
    from sqlalchemy import text

    with Database(store.url).reading() as connection:
        return int(connection.execute(text("SELECT count(*) FROM lease")).scalar_one())


def test_a_lone_driver_gets_everything_once_and_releases_it(store, clock):
    driver = Driver(store, {NONE: 30, TTC: 20}, clock)
    while results := driver.begin():
        driver.deliver(results)
        clock.now += 0.1
    assert driver.computed == Counter({(NONE.key, n): 1 for n in range(30)} | {(TTC.key, n): 1 for n in range(20)})
    assert not driver.leases.waiting
    assert leased(store) == 0


def test_a_newcomer_waits_until_it_is_noticed(store, clock):
    first = Driver(store, {NONE: 30}, clock)
    second = Driver(store, {NONE: 30}, clock)
    assert second.begin() == []
    assert second.leases.waiting
    first.leases.heartbeat()
    clock.now += 10
    assert second.begin()


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from([NONE, TTC, SCC, OTHER]), min_size=1, unique=True),
    st.lists(st.sampled_from([NONE, TTC, SCC, OTHER]), min_size=1, unique=True),
    st.integers(1, 40),
    st.integers(1, 40),
    st.lists(st.tuples(st.integers(0, 1), st.booleans()), max_size=30),
)
def test_two_drivers_never_compute_a_block_twice_and_leave_none_out(postgresql: Server, one, other, long, short, steps):
    schema = f"leases_{next(_SCHEMAS)}"
    with ResultStore.open(postgresql.schema(schema)) as store:
        clock = Clock()
        drivers = [Driver(store, dict.fromkeys(one, long), clock), Driver(store, dict.fromkeys(other, short), clock)]
        exchange_heartbeats(*drivers)
        begun: list[list[list[BlockResult]]] = [[], []]
        for which, delivers in [*steps, *product((0, 1), (True, False))] + [(0, True), (1, True)] * 400:
            clock.now += 5.0
            if not any(begun) and not any(driver.queued or driver.leases.waiting for driver in drivers):
                break
            if delivers and begun[which]:
                drivers[which].deliver(begun[which].pop(0))
            elif results := drivers[which].begin():
                begun[which].append(results)
        together = drivers[0].computed + drivers[1].computed
        assert set(together.values()) == {1}
        assert set(together) == {(cell.key, block) for cell in one for block in range(long)} | {
            (cell.key, block) for cell in other for block in range(short)
        }
        for driver in drivers:
            driver.leases.tick()
            assert not driver.leases.waiting
            own = Counter(cell for cell, _ in driver.computed)
            for cell, blocks in driver.plan.missing_blocks().items():
                assert own[cell] + driver.elsewhere[cell] == blocks
        assert leased(store) == 0


_SCHEMAS = iter(range(10**6))


def test_what_a_dead_driver_held_goes_to_the_other_when_its_lease_is_over(store, clock):
    first, second = (Driver(store, {NONE: TILE_BLOCKS}, clock) for _ in range(2))
    exchange_heartbeats(first, second)
    held = first.begin()
    assert len(held) == TILE_BLOCKS
    assert second.begin() == []
    silence(store, first)
    clock.now += 0.6 * first.lease_seconds
    assert second.begin() == [], "its own connection is up for less than the time of a lease"
    clock.now += 20 * first.lease_seconds
    assert len(second.begin()) == TILE_BLOCKS


def silence(store: ResultStore, driver: Driver) -> None:
    """Put a driver's last sign of life so far back that its lease is over by the server's clock."""
    from sqlalchemy import text

    back = text(
        "UPDATE driver SET heartbeat_at = heartbeat_at - 2 * interval '1 second' * lease_seconds WHERE id = :id"
    )
    with Database(store.url).writing() as connection:
        assert connection.execute(back, {"id": driver.leases._driver.id}).rowcount == 1


def test_a_driver_whose_process_is_gone_is_not_waited_for(store, clock):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    first, second = (Driver(store, {NONE: 20}, clock) for _ in range(2))
    exchange_heartbeats(first, second)
    dead = replace(first.leases._driver, id="dead", pid=process.pid)
    store.driver_heartbeat(dead)
    exchange_heartbeats(first, second)
    tile = Tile(NONE.attack_group, 0)
    assert store.acquire_leases(dead, [tile]) == {tile}
    assert {result.block for result in second.begin()} == set(range(8, 16))
    clock.now += 10
    seen = set()
    while results := second.begin():
        seen |= {result.block for result in results}
        clock.now += 10
    assert seen == {*range(8), *range(16, 20)}


def test_failed_cells_are_not_waited_for(store, clock):
    driver = Driver(store, {NONE: 16, TTC: 16}, clock)
    results = driver.begin()
    driver.leases.cells_failed([TTC.key])
    driver.deliver([result for result in results if result.cell == NONE.key])
    assert leased(store) == 0
    assert {result.cell for result in driver.begin()} == {NONE.key}


def test_an_ended_driver_leaves_nothing(store, clock):
    first, second = (Driver(store, {NONE: 20}, clock) for _ in range(2))
    exchange_heartbeats(first, second)
    assert first.begin()
    first.leases.close()
    assert leased(store) == 0
    assert len({result.block for _ in range(3) for result in second.begin()}) == 20


def test_a_lone_driver_goes_on_without_the_database_and_two_do_not(stoppable_postgresql: Server, clock, monkeypatch):
    monkeypatch.setattr("orchestrator.writing.reconnect._FIRST_PAUSE", 60.0)
    with ResultStore.open(stoppable_postgresql.url) as store:
        first = Driver(store, {NONE: 40}, clock)
        begun = first.begin()
        stoppable_postgresql.stop()
        begun += first.begin()
        begun += first.begin()
        assert sorted(result.block for result in begun) == list(range(24))
        assert len(first.lines) == 1
        stoppable_postgresql.start()
        first.leases.database_returned()
        assert leased(store) == 3
        first.connection.restored()
        second = Driver(store, {NONE: 40}, clock)
        exchange_heartbeats(first, second)
        assert {result.block for result in second.begin()} == set(range(24, 32))
        stoppable_postgresql.stop()
        assert (first.begin(), second.begin()) == ([], [])
        assert first.leases.waiting
        stoppable_postgresql.start()
        for driver in (first, second):
            driver.leases.database_returned()
            driver.connection.restored()
        clock.now += 10
        assert {result.block for result in first.begin()} == set(range(32, 40))


def test_each_of_many_tiles_is_leased_to_one_driver(store):
    run = store.start_run(make_record(), {NONE: 50})
    one, other = (DriverRecord(name, run, "here", 1, 60.0) for name in ("one", "other"))
    for driver in (one, other, one):
        store.driver_heartbeat(driver)
    tiles = [Tile(NONE.attack_group, number) for number in range(200)]
    first = store.acquire_leases(one, tiles[50:])
    second = store.acquire_leases(other, tiles[::-1])
    assert first == set(tiles[50:])
    assert second == set(tiles[:50])
    store.release_leases(one, tiles)
    assert store.acquire_leases(other, tiles) == set(tiles)


@pytest.mark.parametrize("given", ["soon", "0", "-1", "inf", "nan"])
def test_a_lease_that_is_no_time_is_refused(store, clock, monkeypatch, given):
    monkeypatch.setenv("SCCBENCH_LEASE_SECONDS", given)
    with pytest.raises(UserError, match=f"SCCBENCH_LEASE_SECONDS is '{given}', expected a positive number of seconds"):
        Driver(store, {NONE: 1}, clock)
