"""The writer: whatever the database does meanwhile, everything is in it once at the end, in the order that it came."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.store import ResultStore, StoreUnavailableError, block_rows
from orchestrator.writing.reconnect import ConnectionState, DatabaseConnection
from orchestrator.writing.spool import Spool, SpoolError, spool_of
from orchestrator.writing.spool_records import Record
from orchestrator.writing.writer import TRANSACTION_BLOCKS, Writer, write_leftover_spools
from scc_core.environment import Environment
from scc_core.machine.settings import CACHE
from scc_core.outcomes import BlockResult, Failure
from tests.disks import fill, small_disk
from tests.orchestrator.console import wait_for
from tests.orchestrator.postgresql import Server
from tests.orchestrator.store.builders import make_block, make_cell, start

CELL = make_cell()


def blocks(numbers: range) -> list[BlockResult]:
    one = make_block(CELL)
    return [replace(one, block=number) for number in numbers]


def stored(store: ResultStore) -> list[int]:
    return list(store.measured_blocks([CELL.key])[CELL.key])


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE.name, str(tmp_path / "cache"))
    monkeypatch.setattr("orchestrator.writing.reconnect._FIRST_PAUSE", 0.02)
    monkeypatch.setattr("orchestrator.store.engine.BUSY_TIMEOUT_MS", 20)
    return tmp_path / "cache"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ResultStore]:
    with ResultStore.open(str(tmp_path / "results.db")) as opened:
        yield opened


class Said(list[str]):
    def __call__(self, line: str) -> None:
        self.append(line)


def make_writer(store: ResultStore, spool: Spool, said: Said, **options: Any) -> Writer:
    connection = DatabaseConnection(store, said, f"results wait in {spool.path.parent} until it is back")
    return Writer(spool.run, store, spool, connection, said, **options)


def a_run(store: ResultStore) -> str:
    return start(store, CELL, 10_000 * 50)


class Listener:
    """Remembers how many blocks were written at a time."""

    def __init__(self) -> None:
        self.written: list[int] = []

    def blocks_written(self, rows) -> None:
        self.written.append(len(rows))

    def database_returned(self) -> None:
        """The database is back."""


def test_blocks_are_written_in_transactions_of_limited_size_and_when_they_are_old(store):
    now = [0.0]
    listener = Listener()
    writer = make_writer(store, spool_of(store.url, a_run(store)), Said(), listener=listener, clock=lambda: now[0])
    writer.add(blocks(range(10)))
    writer.tick()
    assert (listener.written, writer.unwritten_blocks) == ([], 10)
    now[0] = 1.0
    writer.tick()
    assert (listener.written, stored(store)) == ([10], list(range(10)))
    writer.add(blocks(range(10, 10 + TRANSACTION_BLOCKS + 1)))
    assert listener.written == [10, TRANSACTION_BLOCKS, 1]
    writer.add(blocks(range(5)))
    writer.finish()
    assert stored(store) == list(range(10 + TRANSACTION_BLOCKS + 1))


def test_a_locked_file_makes_results_wait_and_then_takes_them_in_order(store, cache):
    run, said = a_run(store), Said()
    writer = make_writer(store, spool_of(store.url, run), said)
    other = sqlite3.connect(store.name, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for number in range(3):
        writer.add(blocks(range(number, number + 1)))
        writer.flush()
    writer.add_failures({CELL.key: Failure("it broke", "somewhere")})
    assert (writer._connection.is_up, writer.unwritten_blocks, stored(store)) == (False, 3, [])
    assert said == [
        f"the database {store.name} does not work: database is locked; results wait in "
        f"{spool_of(store.url, run).path.parent} until it is back"
    ]
    other.execute("ROLLBACK")
    writer.finish()
    assert (writer._connection.is_up, writer.unwritten_blocks, stored(store)) == (True, 0, [0, 1, 2])
    assert store.run(run).cells_failed == 1
    assert said[1:] == [
        "everything is computed; 3 blocks wait for the database (Ctrl-C is safe)",
        f"the database {store.name} is back; 3 blocks that waited for it are stored",
    ]
    assert list(cache.rglob("*.spool")) == []


def test_a_server_that_stops_and_starts_loses_nothing(stoppable_postgresql: Server):
    with ResultStore.open(stoppable_postgresql.url) as store:
        run, said = a_run(store), Said()
        writer = make_writer(store, spool_of(store.url, run), said)
        writer.add(blocks(range(TRANSACTION_BLOCKS)))
        for mode in ("fast", "immediate"):
            stoppable_postgresql.stop(mode)
            writer.add(blocks(range(TRANSACTION_BLOCKS, 3 * TRANSACTION_BLOCKS)))
            assert writer._connection.state is not ConnectionState.UP
            stoppable_postgresql.start()
            writer.finish()
        assert stored(store) == list(range(3 * TRANSACTION_BLOCKS))
        words = ["results wait in", "is back"] * 2
        assert all(
            word in line for word, line in zip(words, [line for line in said if "Ctrl-C" not in line], strict=True)
        )


def test_what_a_dead_process_left_is_written_by_the_next(store, cache):
    run, said = a_run(store), Said()
    writer = make_writer(store, spool_of(store.url, run), Said())
    other = sqlite3.connect(store.name, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writer.add(blocks(range(TRANSACTION_BLOCKS)))
    writer.add(blocks(range(TRANSACTION_BLOCKS, TRANSACTION_BLOCKS + 7)))
    write_leftover_spools(store, said)
    assert said == [], "a spool of a process that lives is not touched"
    assert writer.stop() == TRANSACTION_BLOCKS + 7
    with pytest.raises(StoreUnavailableError):
        write_leftover_spools(store, said)
    other.execute("ROLLBACK")
    write_leftover_spools(store, said)
    write_leftover_spools(store, said)
    assert stored(store) == list(range(TRANSACTION_BLOCKS + 7))
    assert said == [f"{TRANSACTION_BLOCKS + 7} blocks of run {run} that waited for the database are stored"]
    assert list(cache.rglob("*.spool")) == []


HERE = Environment("ab" * 32, "0.2.0", 1, "3.12.1", variables=("A=1",))
THERE = replace(HERE, torch="2.6.0")


@pytest.mark.parametrize("locked", [False, True], ids=["to the database", "over the spool"])
def test_blocks_keep_their_environments_on_every_way(store, locked):
    run = a_run(store)
    writer = make_writer(store, spool_of(store.url, run), Said())
    other = sqlite3.connect(store.name, isolation_level=None)
    if locked:
        other.execute("BEGIN IMMEDIATE")
    given = [HERE, HERE, THERE, None, HERE]
    for block, environment in zip(blocks(range(5)), given, strict=True):
        writer.add([replace(block, environment=environment)])
        writer.flush()
    assert writer.unwritten_blocks == (5 if locked else 0)
    if locked:
        other.execute("ROLLBACK")
    writer.finish()
    rows = other.execute("SELECT digest FROM block LEFT JOIN environment e ON e.id = environment_id ORDER BY number")
    assert [digest for (digest,) in rows] == [one and one.digest for one in given]
    assert store.environments() == {one.short_digest: one.facts() for one in (HERE, THERE)}


def test_a_spool_that_an_older_program_left_is_written(store):
    """Its records know no environments, neither beside the blocks nor in them."""
    run, said = a_run(store), Said()
    spool = spool_of(store.url, run)
    spool.append(Record(tuple(block_rows(blocks(range(2))))))
    spool.close()
    _checksum, _, text = spool.path.read_bytes()[:-1].partition(b" ")
    value = json.loads(text)
    assert value.pop("environments") == {}
    assert [row.pop("environment") for row in value["blocks"]] == [None, None]
    text = json.dumps(value).encode()
    spool.path.write_bytes(b"%08x %b\n" % (zlib.crc32(text), text))
    write_leftover_spools(store, said)
    assert said == [f"2 blocks of run {run} that waited for the database are stored"]
    assert store.results()["environments"].to_list() == ["unknown"]


def test_a_spool_of_a_run_that_is_unknown_is_left_alone(store):
    said = Said()
    spool = spool_of(store.url, "20260101-000000-000000")
    writer = make_writer(store, spool, Said())
    writer._connection.lost(StoreUnavailableError("away"))
    writer.add(blocks(range(TRANSACTION_BLOCKS)))
    writer.stop()
    write_leftover_spools(store, said)
    assert said == [
        f"{spool.path} holds {TRANSACTION_BLOCKS} blocks of a run that {store.name} does not know; it is left alone"
    ]
    assert spool.path.exists()


def test_a_full_spool_holds_the_run_up_until_the_database_is_back(store, tmp_path):
    spool = Spool(tmp_path / f"{a_run(store)}.spool", limit_bytes=1)
    writer = make_writer(store, spool, Said())
    other = sqlite3.connect(store.name, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    released: list[int] = []

    class Released(list[str]):
        """Gives the file free as soon as the writer has said that it waits."""

        def __call__(self, line: str) -> None:
            if "results wait" in line:
                other.execute("ROLLBACK")
                released.append(len(stored(store)))

    writer._connection._say = Released()
    writer.add(blocks(range(TRANSACTION_BLOCKS)))
    assert (released, writer._connection.is_up, stored(store)) == ([0], True, list(range(TRANSACTION_BLOCKS)))


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "tiny", "1m") as disk:
        yield disk


def test_a_full_disk_makes_results_wait_until_there_is_room(tiny_disk):
    ballast = tiny_disk / "ballast"
    with ResultStore.open(str(tiny_disk / "results.db")) as store:
        run, said = a_run(store), Said()
        writer = make_writer(store, spool_of(store.url, run), said)
        writer.add(blocks(range(10)))
        writer.flush()
        fill(ballast)
        writer.add(blocks(range(10, 10 + TRANSACTION_BLOCKS)))
        assert "database or disk is full" in said[0]
        assert stored(store)[:10] == list(range(10))
        ballast.unlink()
        # What was deleted makes room for part of what waits, so that the disk fills up once more.
        wait_for(lambda: (writer.tick(), writer._connection.is_up)[1] or len(said) > 1, "the disk")
        assert stored(store) == list(range(10 + TRANSACTION_BLOCKS))


def test_when_the_spool_s_disk_is_full_too_the_run_ends_with_one_line(tiny_disk):
    with ResultStore.open(str(tiny_disk / "results.db")) as store:
        run = a_run(store)
        spool = Spool(tiny_disk / "spool" / f"{run}.spool")
        writer = make_writer(store, spool, Said())
        writer.add(blocks(range(10)))
        writer.flush()
        fill(tiny_disk / "ballast")
        with pytest.raises(SpoolError) as caught:
            writer.add(blocks(range(10, 10 + 2 * TRANSACTION_BLOCKS)))
        message = str(caught.value)
        assert "\n" not in message
        for words in ("database or disk is full", "spool takes no more results: No space left", f"resume {run}"):
            assert words in message
        assert caught.value.exit_status == 1
        spool.close()
        (tiny_disk / "ballast").unlink()
        assert stored(store) == list(range(10))


class Weather:
    """When the database is away: each write takes the next of ``events``, then all is well."""

    def __init__(self, events: list[str]) -> None:
        self.events = events

    def next(self) -> str:
        return self.events.pop(0) if self.events else "fine"


class FickleStore(ResultStore):
    """A store whose connection breaks before a write, or after it was committed and before that could be told."""

    weather = Weather([])

    def write_rows(self, run_id, rows, environments):
        event = self.weather.next()
        if event == "before":
            raise StoreUnavailableError("away")
        written = super().write_rows(run_id, rows, environments)
        if event == "after":
            raise StoreUnavailableError("away")
        return written


EVENTS = st.lists(st.sampled_from(["fine", "before", "after"]), max_size=8)
STEPS = st.lists(st.sampled_from(["measure", "tick", "die"]), min_size=1, max_size=12)


@settings(max_examples=25, deadline=None)
@given(EVENTS, STEPS)
def test_every_order_of_losses_deaths_and_returns_stores_all_that_was_handed_over(events, steps):
    """``die`` is a driver that leaves what it has on its disk and another that goes on, as ``resume`` does."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder, FickleStore.open(f"{folder}/results.db") as store:
        run, given, said = a_run(store), 0, Said()
        store.weather = Weather(list(events))
        writer = make_writer(store, spool_of(store.url, run), said)
        for step in steps:
            if step == "measure":
                writer.add(blocks(range(given, given + 3)))
                given += 3
                writer.flush()
            elif step == "tick":
                writer.tick()
            else:
                writer.stop()
                try:
                    write_leftover_spools(store, said)
                except StoreUnavailableError:
                    write_leftover_spools(FickleStore.open(store.name), said)
                writer = make_writer(store, spool_of(store.url, run), said)
        store.weather = Weather([])
        writer.finish()
        assert stored(store) == list(range(given))
        assert not spool_of(store.url, run).path.exists()
        assert store.run(run).samples == given * 50
