"""The driver lock: one driver at a time on an SQLite file. The kernel releases it when its process ends."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.store import ResultStore, is_sqlite
from scc_core.errors import UserError
from scc_core.machine.file_lock import FileHeldError, file_lock

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
    with ExitStack() as held:
        try:
            file = held.enter_context(file_lock(path, wait=False, temporary=True, mode=0o644))
        except FileHeldError as error:
            raise UserError(
                f"{store.name} is in use by {str(error) or 'another process'}; on SQLite one run goes on at a time: "
                "wait for it, name another file with --db, or use a PostgreSQL database, which runs share"
            ) from None
        except OSError as error:
            raise UserError(f"{path} cannot be written: {error.strerror}") from None
        started = f"since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
        os.pwrite(file, f"process {os.getpid()} on {socket.gethostname()} {started}".encode(), 0)
        yield
