"""Leases on a real PostgreSQL server: two drivers divide what they share; a dead one's share goes to the other."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter, deque
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.contact import Contact
from orchestrator.identity import Cell
from orchestrator.leases import Leases, Share
from orchestrator.plan import make_plan
from orchestrator.store import DriverRecord, ResultStore, Tile, block_rows
from orchestrator.store.engine import Database
from orchestrator.store.schema import TILE_BLOCKS
from scc_core.errors import UserError
from scc_core.outcomes import BlockResult
from tests.orchestrator.postgresql import Server
from tests.orchestrator.store.builders import make_block, make_cell, make_record

NONE, TTC, SCC = (
    make_cell(defense=replace(make_cell().defense, name=name, label=name)) for name in ("none", "ttc", "scc")
)
OTHER = make_cell(seed=1)
TEMPLATE = make_block(NONE)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(postgresql_url: str):
    with ResultStore.open(postgresql_url) as opened:
        yield opened


class Driver:
    """A run as far as it has to do with leases: draws shares, and measures them when a test says so."""

    def __init__(self, store: ResultStore, cells: dict[Cell, int], clock: Clock) -> None:
        self.store = store
        self.run = store.start_run(make_record(), {cell: blocks * 50 for cell, blocks in cells.items()})
        self.plan = make_plan({cell: blocks * 50 for cell, blocks in cells.items()}, store.measured_blocks)
        self.shares: deque[Share] = deque(enumerate(self.plan.spans))
        self.elsewhere: Counter[str] = Counter()
        self.lines: list[str] = []
        self.contact = Contact(store, self.lines.append, "and so on", clock)
        self.leases = Leases(store, self.run, self._count, self.contact, clock)
        self.computed: Counter[tuple[str, int]] = Counter()

    @property
    def lease_seconds(self) -> float:
        return self.leases._driver.lease_seconds

    def _count(self, cell: str, blocks: int) -> None:
        self.elsewhere[cell] += blocks

    def draw(self) -> list[BlockResult]:
        """Begin the next share, or what others have freed."""
        shares = self.leases.draw(self.shares) or self.leases.freed()
        begun = [
            replace(TEMPLATE, cell=cell.key, block=block)
            for _, span in shares
            for cell in span.cells
            for block in span.blocks
        ]
        self.computed.update((result.cell, result.block) for result in begun)
        return begun

    def deliver(self, results: list[BlockResult]) -> None:
        rows = block_rows(results)
        self.store.write_rows(self.run, rows)
        self.leases.settle(rows)
        self.leases.tick()


def acquaint(*drivers: Driver) -> None:
    """Let everyone hear of everyone else, as the heartbeats do in time."""
    for driver in drivers:
        driver.leases._beat()


def leased(store: ResultStore) -> int:
    from sqlalchemy import text

    with Database(store.url).reading() as connection:
        return int(connection.execute(text("SELECT count(*) FROM lease")).scalar_one())


def test_a_lone_driver_gets_everything_once_and_gives_it_back(store, clock):
    driver = Driver(store, {NONE: 30, TTC: 20}, clock)
    while results := driver.draw():
        driver.deliver(results)
        clock.now += 0.1
    assert driver.computed == Counter({(NONE.key, n): 1 for n in range(30)} | {(TTC.key, n): 1 for n in range(20)})
    assert not driver.leases.waiting
    assert leased(store) == 0


def test_a_newcomer_waits_until_it_is_noticed(store, clock):
    first = Driver(store, {NONE: 30}, clock)
    second = Driver(store, {NONE: 30}, clock)
    assert second.draw() == []
    assert second.leases.waiting
    first.leases._beat()
    clock.now += 10
    assert second.draw()


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
        acquaint(*drivers)
        begun: list[list[list[BlockResult]]] = [[], []]
        for which, delivers in [*steps, *product((0, 1), (True, False))] + [(0, True), (1, True)] * 400:
            clock.now += 5.0
            if not any(begun) and not any(driver.shares or driver.leases.waiting for driver in drivers):
                break
            if delivers and begun[which]:
                drivers[which].deliver(begun[which].pop(0))
            elif results := drivers[which].draw():
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
    acquaint(first, second)
    held = first.draw()
    assert len(held) == TILE_BLOCKS
    assert second.draw() == []
    silence(store, first)
    clock.now += 0.6 * first.lease_seconds
    assert second.draw() == [], "its own contact with the database is younger than a lease"
    clock.now += 20 * first.lease_seconds
    assert len(second.draw()) == TILE_BLOCKS


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
    acquaint(first, second)
    dead = replace(first.leases._driver, id="dead", pid=process.pid)
    store.beat(dead)
    acquaint(first, second)
    tile = Tile(NONE.attack_group, 0)
    assert store.claim(dead, [tile]) == {tile}
    assert {result.block for result in second.draw()} == set(range(8, 16))
    clock.now += 10
    seen = set()
    while results := second.draw():
        seen |= {result.block for result in results}
        clock.now += 10
    assert seen == {*range(8), *range(16, 20)}


def test_failed_cells_are_not_waited_for(store, clock):
    driver = Driver(store, {NONE: 16, TTC: 16}, clock)
    results = driver.draw()
    driver.leases.give_up([TTC.key])
    driver.deliver([result for result in results if result.cell == NONE.key])
    assert leased(store) == 0
    assert {result.cell for result in driver.draw()} == {NONE.key}


def test_an_ended_driver_leaves_nothing(store, clock):
    first, second = (Driver(store, {NONE: 20}, clock) for _ in range(2))
    acquaint(first, second)
    assert first.draw()
    first.leases.close()
    assert leased(store) == 0
    assert len({result.block for _ in range(3) for result in second.draw()}) == 20


def test_a_lone_driver_goes_on_without_the_database_and_two_do_not(stoppable_postgresql: Server, clock, monkeypatch):
    monkeypatch.setattr("orchestrator.contact._FIRST_PAUSE", 60.0)
    with ResultStore.open(stoppable_postgresql.url) as store:
        first = Driver(store, {NONE: 40}, clock)
        begun = first.draw()
        stoppable_postgresql.stop()
        begun += first.draw()
        begun += first.draw()
        assert sorted(result.block for result in begun) == list(range(24))
        assert len(first.lines) == 1
        stoppable_postgresql.start()
        first.leases.returned()
        assert leased(store) == 3
        first.contact.regain()
        second = Driver(store, {NONE: 40}, clock)
        acquaint(first, second)
        assert {result.block for result in second.draw()} == set(range(24, 32))
        stoppable_postgresql.stop()
        assert (first.draw(), second.draw()) == ([], [])
        assert first.leases.waiting
        stoppable_postgresql.start()
        for driver in (first, second):
            driver.leases.returned()
            driver.contact.regain()
        clock.now += 10
        assert {result.block for result in first.draw()} == set(range(32, 40))


def test_a_claim_of_many_tiles_gives_each_to_one_driver(store):
    run = store.start_run(make_record(), {NONE: 50})
    one, other = (DriverRecord(name, run, "here", 1, 60.0) for name in ("one", "other"))
    for driver in (one, other, one):
        store.beat(driver)
    tiles = [Tile(NONE.attack_group, number) for number in range(200)]
    first = store.claim(one, tiles[50:])
    second = store.claim(other, tiles[::-1])
    assert first == set(tiles[50:])
    assert second == set(tiles[:50])
    store.release(one, tiles)
    assert store.claim(other, tiles) == set(tiles)


@pytest.mark.parametrize("given", ["soon", "0", "-1", "inf", "nan"])
def test_a_lease_that_is_no_time_is_refused(store, clock, monkeypatch, given):
    monkeypatch.setenv("SCCBENCH_LEASE_SECONDS", given)
    with pytest.raises(UserError, match=f"SCCBENCH_LEASE_SECONDS is '{given}', expected a positive number of seconds"):
        Driver(store, {NONE: 1}, clock)
