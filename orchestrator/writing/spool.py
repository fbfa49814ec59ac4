"""The spool: what the database could not take while it was down, on the driver's own disk, in the order that it came.

A spool is a file of lines, each with a record and its checksum. A line counts once it is on the disk as a whole; the
part of a line that a crash or a full disk left is cut off. A record may be written to the database any number of times.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import URL

from orchestrator.store import PATIENCE, SECRET_OPTIONS
from orchestrator.writing.spool_records import Record, decode_record, encode_record
from scc_core.errors import SccBenchError
from scc_core.machine import settings
from scc_core.machine.file_lock import FileHeldError, acquire, acquire_existing, release
from scc_core.machine.folders import cache_folder

_SUFFIX = ".spool"


class SpoolError(SccBenchError):
    """Nothing more can be put into the spool; the text says why."""


class _Line(NamedTuple):
    record: Record
    stop: int


class Spool:
    """The spool of one run. Its file exists only while a record waits in it, and is locked by the process that owns it.

    Args:
        path: of the file, which need not exist; its stem is the run's id.
        limit_bytes: the size from which on the spool is :attr:`full`; None takes it from the environment.

    Attributes:
        blocks: how many blocks wait in it.
    """

    def __init__(self, path: Path, limit_bytes: float | None = None) -> None:
        self.path = path
        self.run = path.stem
        self._limit = settings.SPOOL_MIB.read() * 2**20 if limit_bytes is None else limit_bytes
        self._file: int | None = None
        self._read = 0
        self._size = 0
        self._oldest: _Line | None = None
        self.blocks = 0

    @property
    def empty(self) -> bool:
        """Whether no record waits."""
        return self._read == self._size

    @property
    def full(self) -> bool:
        """Whether no more should be put into it for now."""
        return self._size >= self._limit

    def take_over(self) -> bool:
        """Become the owner of what an earlier process left; return False if its process lives or there is no file."""
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
        line = encode_record(record)
        try:
            file = self._open()
            try:
                view, position = memoryview(line), self._size
                while view:
                    written = os.pwrite(file, view, position)
                    view, position = view[written:], position + written
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
        self._oldest = next(self._lines(self._read), None)
        return None if self._oldest is None else self._oldest.record

    def drop_oldest(self) -> None:
        """Forget the record that :meth:`oldest` returned; it is in the database."""
        if self._oldest is not None:
            self._read = self._oldest.stop
            self.blocks -= len(self._oldest.record.blocks)
            self._oldest = None

    def clear(self) -> None:
        """Delete the file; everything in it is in the database."""
        if self._file is not None:
            self.path.unlink(missing_ok=True)
            self.close()
        self._read = self._size = self.blocks = 0

    def close(self) -> None:
        """Leave the file, if there is one, to the next process."""
        if self._file is not None:
            release(self._file)
            self._file = None

    def _open(self) -> int:
        """Return the file, and make it when the first record comes."""
        if self._file is None:
            try:
                self._file = acquire(self.path, wait=False, mode=0o600)
            except FileHeldError:
                raise SpoolError(f"{self.path} belongs to another process") from None
            os.ftruncate(self._file, self._size)
            # A new file's name is on the disk only once its folder is.
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        return self._file

    def _lines(self, start: int) -> Iterator[_Line]:
        if self._file is None:
            return
        with os.fdopen(os.dup(self._file), "rb") as file:
            file.seek(start)
            stop = start
            for line in file:
                record = decode_record(line)
                if record is None:
                    return
                stop += len(line)
                yield _Line(record, stop)


def spool_of(database: URL, run: str) -> Spool:
    """Return the spool of a run."""
    return Spool(spool_folder(database) / f"{run}{_SUFFIX}")


def leftover_spools(database: URL) -> Iterator[Spool]:
    """Yield every spool of a database that an earlier process left; the caller owns it."""
    for path in sorted(spool_folder(database).glob(f"*{_SUFFIX}")):
        spool = Spool(path)
        if spool.take_over():
            yield spool


def spool_folder(database: URL) -> Path:
    """Return the folder of the spools of a database on this machine; it need not exist."""
    # The options that say how to connect, and not to which database, may change between two runs.
    name = database.set(password=None).difference_update_query([*PATIENCE, *SECRET_OPTIONS]).render_as_string()
    return cache_folder() / "spool" / sha256(name.encode()).hexdigest()[:16]
