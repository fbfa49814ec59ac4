"""One driver at a time on an SQLite file: a lock that dies with its process, however that ends."""

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
def sole_driver(store: ResultStore) -> Iterator[None]:
    """Keep every other driver from an SQLite file for as long as this lasts; do nothing on PostgreSQL.

    Raises:
        UserError: another driver is at work there.
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
        this_process = (
            f"process {os.getpid()} on {socket.gethostname()} since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
        )
        os.pwrite(file, this_process.encode(), 0)
        yield
