"""The one writer of a run: results in portions to the database, by way of the spool while the database is away."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from orchestrator.store import BlockRow, ResultStore, StoreUnavailableError, block_rows
from orchestrator.writing.reconnect import Contact, Say
from orchestrator.writing.spool import Record, Spool, SpoolError, left_spools
from scc_core.outcomes import BlockResult, Failure

T = TypeVar("T")

PORTION = 512
"""Blocks of one transaction at most."""
_PORTION_SECONDS = 1.0
"""For how long blocks are collected."""
_DRAIN_SECONDS = 2.0
"""For how long the spool is emptied before the workers are looked after again."""
_WAKE_SECONDS = 0.5


class Watch(Protocol):
    """Told what becomes of results."""

    def settle(self, rows: Sequence[BlockRow]) -> None:
        """Blocks are in the database."""

    def returned(self) -> None:
        """The database answers again; what waits for it comes next."""


class NoWatch:
    """Does not care."""

    def settle(self, rows: Sequence[BlockRow]) -> None:
        """Do nothing."""

    def returned(self) -> None:
        """Do nothing."""


class Writer:
    """Writes what it is given, in order, and each thing once; the database may come and go.

    Args:
        run: the run's id.
        store: where results go.
        spool: where they wait while the database is away.
        contact: knows whether it is.
        say: prints one line for the user.
        watch: told what is written.
        clock: in seconds.
    """

    def __init__(
        self,
        run: str,
        store: ResultStore,
        spool: Spool,
        contact: Contact,
        say: Say,
        watch: Watch | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run = run
        self._store = store
        self._spool = spool
        self._contact = contact
        self._say = say
        self._watch = watch or NoWatch()
        self._clock = clock
        self._collected: list[BlockRow] = []
        self._since = 0.0
        self._late = 0

    @property
    def waiting(self) -> int:
        """Return how many blocks are not in the database yet."""
        return len(self._collected) + self._spool.blocks

    def measured(self, results: Sequence[BlockResult]) -> None:
        """Take blocks. Returns late while the spool is full, so that no more is computed than can be kept.

        Raises:
            SpoolError: the database is away, and the disk does not take any more.
        """
        if not self._collected:
            self._since = self._clock()
        self._collected += block_rows(results)
        if len(self._collected) >= PORTION:
            self.flush()
        while self._contact.away and self._spool.full:
            self._wait()

    def failed(self, failures: Mapping[str, Failure]) -> None:
        """Take cells that are given up."""
        self.flush()
        self._put(Record(failures=failures))

    def tick(self) -> None:
        """Write what was collected long enough, and what waits if the database is back; called about once a second."""
        if self._collected and self._clock() - self._since >= _PORTION_SECONDS:
            self.flush()
        if self._contact.answering:
            self._drain()

    def flush(self) -> None:
        """Write what was collected, or put it into the spool."""
        while self._collected:
            self._put(Record(tuple(self._collected[:PORTION])))
            del self._collected[:PORTION]

    def finish(self) -> None:
        """Write everything; wait for the database if it is away."""
        self.flush()
        if self._contact.away:
            self._say(f"everything is computed; {self.waiting} blocks wait for the database (Ctrl-C is safe)")
        while self._contact.away:
            self._wait()

    def stop(self) -> int:
        """Write everything or leave it in the spool, without waiting; return how many blocks are left there."""
        self.flush()
        self._spool.close()
        return self._spool.blocks

    def insist(self, action: Callable[[], T]) -> T:
        """Return what ``action`` does with the database, and repeat it for as long as the database is away."""
        while True:
            try:
                return action()
            except StoreUnavailableError as error:
                self._contact.lose(error)
            while self._contact.away:
                self._wait()

    def _put(self, record: Record) -> None:
        reason = ""
        if not self._contact.away:
            try:
                self._write(record)
            except StoreUnavailableError as error:
                self._contact.lose(error)
                reason = f"{error}, and "
            else:
                return
        try:
            self._spool.append(record)
        except SpoolError as error:
            raise SpoolError(f"{reason}{error}; make room there, then `sccbench resume {self._run}`") from None

    def _write(self, record: Record) -> None:
        write_record(self._store, self._run, record)
        self._watch.settle(record.blocks)

    def _wait(self) -> None:
        if self._contact.wait(_WAKE_SECONDS):
            self._drain()

    def _drain(self) -> None:
        """Write what waits, for a while; whatever time it takes, one record is written."""
        deadline = self._clock() + _DRAIN_SECONDS
        self._watch.returned()
        try:
            while (record := self._spool.oldest()) is not None:
                self._write(record)
                self._spool.drop_oldest()
                self._contact.progress()
                self._late += len(record.blocks)
                if self._clock() >= deadline:
                    return
        except StoreUnavailableError as error:
            self._contact.lose(error)
        else:
            self._spool.clear()
            self._contact.regain()
            self._say(f"the database {self._store.name} is back; {self._late} blocks that waited for it are stored")
            self._late = 0


def write_record(store: ResultStore, run: str, record: Record) -> None:
    """Write a record; what is stored already stays as it is.

    Raises:
        StoreUnavailableError: the database is away; the record can be written again.
    """
    store.write_rows(run, record.blocks)
    for cell, failure in record.failures.items():
        store.fail_cells(run, [cell], failure.error, failure.traceback)


def replay(store: ResultStore, say: Say) -> None:
    """Write what earlier processes of this machine left in their spools of a database.

    Raises:
        StoreUnavailableError: the database is away; the spools stay.
    """
    for spool in left_spools(store.url):
        try:
            _replay_one(store, spool, say)
        finally:
            spool.close()


def _replay_one(store: ResultStore, spool: Spool, say: Say) -> None:
    blocks = spool.blocks
    if not store.run_cells(spool.run):
        say(f"{spool.path} holds {blocks} blocks of a run that {store.name} does not know; it is left alone")
        return
    while (record := spool.oldest()) is not None:
        write_record(store, spool.run, record)
        spool.drop_oldest()
    spool.clear()
    say(f"{blocks} blocks of run {spool.run} that waited for the database are stored")
