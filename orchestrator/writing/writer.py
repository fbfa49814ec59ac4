"""The writer of a run: it writes results to the database, and to the spool while the database is down."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Protocol, TypeVar

from orchestrator.store import (
    BlockRow,
    Environments,
    ResultStore,
    StoreUnavailableError,
    check_stored_row,
    environments_of,
    storable_rows,
)
from orchestrator.writing.reconnect import ConnectionState, DatabaseConnection, Say
from orchestrator.writing.spool import Spool, SpoolError, leftover_spools
from orchestrator.writing.spool_records import Record
from scc_core.identity import DatasetSpec
from scc_core.outcomes import BlockResult, Failure

T = TypeVar("T")

TRANSACTION_BLOCKS = 512
"""Blocks of one transaction at most."""
_COLLECT_SECONDS = 1.0
"""How long blocks are collected before they are written."""
_DRAIN_SECONDS = 2.0
"""How long the spool is drained before the scheduler gets its turn."""
_WAKE_SECONDS = 0.5


class WriteListener(Protocol):
    """Is told what the writer does with the database."""

    def blocks_written(self, rows: Sequence[BlockRow]) -> None:
        """Blocks are in the database."""

    def database_returned(self) -> None:
        """The database answers again; the spool is written next."""


class NoListener:
    """Ignores everything."""

    def blocks_written(self, rows: Sequence[BlockRow]) -> None:
        """Do nothing."""

    def database_returned(self) -> None:
        """Do nothing."""


class Writer:
    """Writes results in the order that they come, each once, while the database may go down and return.

    Args:
        run: the run's id.
        store: where results go.
        spool: where they wait while the database is down.
        connection: tells whether the database is up.
        say: prints one line for the user.
        listener: is told what was written.
        clock: in seconds.
    """

    def __init__(
        self,
        run: str,
        store: ResultStore,
        spool: Spool,
        connection: DatabaseConnection,
        say: Say,
        listener: WriteListener | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run = run
        self._store = store
        self._spool = spool
        self._connection = connection
        self._say = say
        self._listener = listener or NoListener()
        self._clock = clock
        self._collected: list[BlockRow] = []
        self._environments: Environments = {}
        self._collected_since = 0.0
        self._drained_blocks = 0
        self._unstorable: set[str] = set()

    @property
    def unwritten_blocks(self) -> int:
        """Return how many blocks are not in the database yet."""
        return len(self._collected) + self._spool.blocks

    def add(self, results: Sequence[BlockResult], dataset: DatasetSpec | None = None) -> None:
        """Take blocks. While the spool is full this blocks, so that no more is computed than can be kept.

        A block that no database can hold makes a failure of its cell, see :meth:`take_unstorable`.

        Args:
            results: blocks, as a worker sent them.
            dataset: of all the blocks; None where it is not known.

        Raises:
            SpoolError: the database is down, and the disk does not take any more.
        """
        if not self._collected:
            self._collected_since = self._clock()
        rows, failures = storable_rows(results, dataset)
        self._collected += rows
        self._environments = {**self._environments, **environments_of(results)}
        if failures:
            self._unstorable.update(failures)
            self.add_failures(failures)
        if len(self._collected) >= TRANSACTION_BLOCKS:
            self.flush()
        while self._spool.full and not self._connection.is_up:
            self._wait()

    def take_unstorable(self) -> set[str]:
        """Return the keys of the cells that failed, since the last call, because a block of them cannot be stored."""
        taken, self._unstorable = self._unstorable, set()
        return taken

    def add_failures(self, failures: Mapping[str, Failure]) -> None:
        """Take cells that failed for good."""
        self.flush()
        self._write_or_spool(Record(failures=failures))

    def tick(self) -> None:
        """Write what was collected long enough, and drain the spool if the database answers; called once a second."""
        if self._collected and self._clock() - self._collected_since >= _COLLECT_SECONDS:
            self.flush()
        if self._connection.state is ConnectionState.RECOVERING:
            self._drain()

    def flush(self) -> None:
        """Write what was collected, or put it into the spool."""
        while self._collected:
            rows = tuple(self._collected[:TRANSACTION_BLOCKS])
            used = {row.environment for row in rows}
            environments = {digest: facts for digest, facts in self._environments.items() if digest in used}
            self._write_or_spool(Record(rows, environments=environments))
            del self._collected[:TRANSACTION_BLOCKS]

    def finish(self) -> None:
        """Write everything; wait for the database if it is down."""
        self.flush()
        if not self._connection.is_up:
            self._say(f"everything is computed; {self.unwritten_blocks} blocks wait for the database (Ctrl-C is safe)")
        self._wait_until_up()

    def stop(self) -> int:
        """Write everything or leave it in the spool, without waiting; return how many blocks are left there."""
        self.flush()
        self._spool.close()
        return self._spool.blocks

    def retry(self, action: Callable[[], T]) -> T:
        """Return the result of ``action``, which uses the database; wait and repeat it while the database is down."""
        while True:
            try:
                return action()
            except StoreUnavailableError as error:
                self._connection.lost(error)
            self._wait_until_up()

    def _write_or_spool(self, record: Record) -> None:
        reason = ""
        if self._connection.is_up:
            try:
                self._write(record)
            except StoreUnavailableError as error:
                self._connection.lost(error)
                reason = f"{error}, and "
            else:
                return
        try:
            self._spool.append(record)
        except SpoolError as error:
            raise SpoolError(f"{reason}{error}; make room there, then `sccbench resume {self._run}`") from None

    def _write(self, record: Record) -> None:
        refused = write_record(self._store, self._run, record)
        self._unstorable.update(refused)
        self._listener.blocks_written([row for row in record.blocks if row.cell not in refused])

    def _wait_until_up(self) -> None:
        while not self._connection.is_up:
            self._wait()

    def _wait(self) -> None:
        if self._connection.wait(_WAKE_SECONDS):
            self._drain()

    def _drain(self) -> None:
        """Write what waits in the spool for a limited time; at least one record is written."""
        deadline = self._clock() + _DRAIN_SECONDS
        self._listener.database_returned()
        try:
            while (record := self._spool.oldest()) is not None:
                self._write(record)
                self._spool.drop_oldest()
                self._connection.reset_pause()
                self._drained_blocks += len(record.blocks)
                if self._clock() >= deadline:
                    return
        except StoreUnavailableError as error:
            self._connection.lost(error)
        else:
            self._spool.clear()
            self._connection.restored()
            blocks = f"{self._drained_blocks} blocks that waited for it are stored"
            self._say(f"the database {self._store.name} is back; {blocks}")
            self._drained_blocks = 0


def write_record(store: ResultStore, run: str, record: Record) -> set[str]:
    """Write a record; blocks that are in the database stay as they are.

    Returns:
        The keys of the cells that failed because the database refused a block of theirs, which is stored as the reason.

    Raises:
        StoreUnavailableError: the database is down; the record can be written again.
    """
    refused: dict[str, Failure] = {}
    try:
        store.write_rows(run, record.blocks, record.environments)
    except StoreUnavailableError:
        raise
    # A row that slipped through every check must not take those beside it with it: each is written alone.
    except Exception:
        for row in record.blocks:
            refused |= _write_alone(store, run, row, record.environments)
    for cell, failure in {**record.failures, **refused}.items():
        store.fail_cells(run, [cell], failure.error, failure.traceback)
    return set(refused)


def _write_alone(store: ResultStore, run: str, row: BlockRow, environments: Environments) -> dict[str, Failure]:
    try:
        store.write_rows(run, [row], environments)
    except StoreUnavailableError:
        raise
    except Exception as error:
        return {row.cell: Failure.of(error)}
    return {}


def write_leftover_spools(store: ResultStore, say: Say) -> None:
    """Write what earlier processes of this machine left in their spools of a database.

    What an earlier version left there and no database can hold is passed over, and measured again.

    Raises:
        StoreUnavailableError: the database is down; the spools stay.
    """
    for leftover in leftover_spools(store.url):
        with closing(leftover) as spool:
            blocks = spool.blocks
            cells = store.run_cells(spool.run)
            if not cells:
                say(f"{spool.path} holds {blocks} blocks of a run that {store.name} does not know; it is left alone")
                continue
            stored = refused = 0
            while (record := spool.oldest()) is not None:
                kept = [row for row in record.blocks if row.cell in cells and _is_storable(row)]
                failures = {cell: failure for cell, failure in record.failures.items() if cell in cells}
                write_record(store, spool.run, Record(tuple(kept), failures, record.environments))
                spool.drop_oldest()
                stored += len(kept)
                refused += record.unreadable + len(record.blocks) - len(kept)
            spool.clear()
            say(f"{stored} blocks of run {spool.run} that waited for the database are stored")
            if refused:
                say(f"{refused} blocks that waited with them cannot be stored; `sccbench resume` measures them again")


def _is_storable(row: BlockRow) -> bool:
    try:
        check_stored_row(row)
    except (ValueError, TypeError, AttributeError):
        return False
    return True
