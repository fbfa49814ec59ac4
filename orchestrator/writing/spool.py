"""The spool: what a database that is away could not take yet, on the driver's own disk, in the order that it came.

A spool is a file of lines, each the CRC-32 of a JSON record and the record. A line counts once it is on the disk as a
whole: what a crash or a full disk left of one is cut off. Replaying records is harmless, however often it happens.
"""

from __future__ import annotations

import base64
import json
import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import URL

from orchestrator.store import PATIENCE, SECRET_OPTIONS, BlockRow
from scc_core.errors import SccBenchError
from scc_core.machine import settings
from scc_core.machine.file_lock import FileHeldError, acquire, acquire_existing, release
from scc_core.machine.folders import cache_folder
from scc_core.outcomes import Failure

_SUFFIX = ".spool"


class SpoolError(SccBenchError):
    """Nothing more can be put into the spool; the text says why."""


@dataclass(frozen=True)
class Record:
    """What one write to the database holds: blocks, or cells that failed.

    Attributes:
        blocks: measured blocks.
        failures: why cells failed, by their keys.
    """

    blocks: tuple[BlockRow, ...] = ()
    failures: Mapping[str, Failure] = field(default_factory=dict)


class _Line(NamedTuple):
    record: Record
    stop: int


class Spool:
    """The spool of one run. Its file is there only while something waits in it, and locked by the process that owns it.

    Args:
        path: of the file, which need not exist; its stem is the run's id.
        limit_bytes: from this size on it is :attr:`full`.
    """

    def __init__(self, path: Path, limit_bytes: float | None = None) -> None:
        self.path = path
        self.run = path.stem
        self._limit = settings.SPOOL_MIB.read() * 2**20 if limit_bytes is None else limit_bytes
        self._file: int | None = None
        self._read = 0
        self._size = 0
        self._at_hand: _Line | None = None
        self.blocks = 0

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return self._read == self._size

    @property
    def full(self) -> bool:
        """Whether no more should be put into it for now."""
        return self._size >= self._limit

    def claim(self) -> bool:
        """Take over what an earlier process left; return False if a process that lives owns it or there is none."""
        file = acquire_existing(self.path)
        if file is None:
            return False
        self._file, self._read = file, 0
        lines = list(self._lines(0))
        self._size = lines[-1].stop if lines else 0
        self.blocks = sum(len(line.record.blocks) for line in lines)
        return True

    def append(self, record: Record) -> None:
        """Put a record on the disk, as a whole or not at all.

        Raises:
            SpoolError: the disk does not take it.
        """
        line = _encode(record)
        try:
            file = self._opened()
            try:
                _write(file, line, self._size)
                os.fsync(file)
            except BaseException:
                os.ftruncate(file, self._size)
                raise
        except OSError as error:
            raise SpoolError(f"{self.path.parent} takes no more results: {error.strerror}") from error
        self._size += len(line)
        self.blocks += len(record.blocks)

    def oldest(self) -> Record | None:
        """Return the record that waits longest; None if none waits."""
        self._at_hand = next(self._lines(self._read), None)
        return None if self._at_hand is None else self._at_hand.record

    def drop_oldest(self) -> None:
        """Forget what :meth:`oldest` has returned; it is in the database."""
        if self._at_hand is not None:
            self._read = self._at_hand.stop
            self.blocks -= len(self._at_hand.record.blocks)
            self._at_hand = None

    def clear(self) -> None:
        """Delete the file; everything in it is in the database."""
        if self._file is not None:
            self.path.unlink(missing_ok=True)
            self.close()
        self._read = self._size = self.blocks = 0

    def close(self) -> None:
        """Leave the file to the next process, if there is one."""
        if self._file is not None:
            release(self._file)
            self._file = None

    def _opened(self) -> int:
        if self._file is None:
            try:
                self._file = acquire(self.path, wait=False, mode=0o600)
            except FileHeldError:
                raise SpoolError(f"{self.path} belongs to another process") from None
            os.ftruncate(self._file, self._size)
            _sync_folder(self.path.parent)
        return self._file

    def _lines(self, start: int) -> Iterator[_Line]:
        if self._file is None:
            return
        with os.fdopen(os.dup(self._file), "rb") as file:
            file.seek(start)
            stop = start
            for line in file:
                record = _decode(line)
                if record is None:
                    return
                stop += len(line)
                yield _Line(record, stop)


def spool_of(database: URL, run: str) -> Spool:
    """Return the spool of a run."""
    return Spool(spool_folder(database) / f"{run}{_SUFFIX}")


def left_spools(database: URL) -> Iterator[Spool]:
    """Give every spool of a database that an earlier process left, taken over."""
    for path in sorted(spool_folder(database).glob(f"*{_SUFFIX}")):
        spool = Spool(path)
        if spool.claim():
            yield spool


def spool_folder(database: URL) -> Path:
    """Return the folder of the spools of a database on this machine; it need not exist."""
    # What says how to connect, and not to what, may change between two runs.
    name = database.set(password=None).difference_update_query([*PATIENCE, *SECRET_OPTIONS]).render_as_string()
    return cache_folder() / "spool" / sha256(name.encode()).hexdigest()[:16]


def _encode(record: Record) -> bytes:
    failures = {key: vars(failure) for key, failure in record.failures.items()}
    value = {"blocks": [_plain(block) for block in record.blocks], "failures": failures}
    text = json.dumps(value, separators=(",", ":")).encode()
    return b"%08x %b\n" % (zlib.crc32(text), text)


def _decode(line: bytes) -> Record | None:
    """Return the record of a line, None for one that was not written to its end."""
    checksum, _, text = line[:-1].partition(b" ")
    if not line.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(text):
        return None
    value = json.loads(text)
    failures = {key: Failure(**failure) for key, failure in value["failures"].items()}
    return Record(tuple(_row(block) for block in value["blocks"]), failures)


def _plain(row: BlockRow) -> dict[str, Any]:
    outcomes = base64.b64encode(row.outcomes).decode()
    return {**row._asdict(), "created_at": row.created_at.isoformat(), "outcomes": outcomes}


def _row(value: dict[str, Any]) -> BlockRow:
    created_at = datetime.fromisoformat(value.pop("created_at"))
    return BlockRow(**{**value, "created_at": created_at, "outcomes": base64.b64decode(value["outcomes"])})


def _write(file: int, data: bytes, position: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(file, view, position)
        view, position = view[written:], position + written


def _sync_folder(folder: Path) -> None:
    """Put a new file's name on the disk, too."""
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
