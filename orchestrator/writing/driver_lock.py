"""The driver lock: one driver at a time on an SQLite file. The kernel releases it when its process ends."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.store import ResultStore, is_sqlite
from scc_core.errors import UserError

_SUFFIX = "-driver"


@contextmanager
def driver_lock(store: ResultStore) -> Iterator[None]:
    """Hold the lock on an SQLite file, so that no other driver uses it; do nothing on PostgreSQL.

    Raises:
        UserError: another driver holds the lock.
    """
    if not is_sqlite(store.url):
        yield
        return
    path = Path(store.name + _SUFFIX)
    file = _locked(path, store.name)
    try:
        started = f"since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
        os.ftruncate(file, 0)
        os.pwrite(file, f"process {os.getpid()} on {socket.gethostname()} {started}".encode(), 0)
        yield
    finally:
        # The file is deleted before the lock is released: a driver that opened it before sees that it is another file.
        path.unlink(missing_ok=True)
        os.close(file)


def _locked(path: Path, database: str) -> int:
    """Open and lock the lock file; a file that a dead process left is used again."""
    while True:
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise UserError(f"{path} cannot be written: {error.strerror}") from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = os.pread(file, 200, 0).decode(errors="replace") or "another process"
            os.close(file)
            raise UserError(
                f"{database} is in use by {other}; on SQLite one run goes on at a time: wait for it, name another "
                "file with --db, or use a PostgreSQL database, which runs share"
            ) from None
        # Another driver may have deleted the file between the opening and the locking.
        with suppress(FileNotFoundError):
            if os.path.samestat(path.stat(), os.fstat(file)):
                return file
        os.close(file)
