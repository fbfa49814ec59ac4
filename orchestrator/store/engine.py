"""Engines and connections from a URL: SQLite for one machine, PostgreSQL for a cluster."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, InterfaceError, OperationalError

from orchestrator.grid.cell import canonical_json
from orchestrator.store.errors import SECRET_OPTIONS, StoreUnavailableError, database_words, without_password
from scc_core.errors import UserError

EXPECTED = "expected a file, sqlite:///FILE or postgresql://USER@HOST/DATABASE"

SQLITE_DRIVERS = ("sqlite", "sqlite+pysqlite")
POSTGRESQL_DRIVERS = ("postgresql", "postgres", "postgresql+psycopg")

SQLITE_HEADER = b"SQLite format 3\0"

BUSY_TIMEOUT_MS = 10_000
PATIENCE = {
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}
"""How long a PostgreSQL connection waits for a server that does not answer: in seconds, the last one in milliseconds.
Without these options a machine that fails without closing its connections blocks the driver for hours."""


class Database:
    """A database by its URL. The engine is made at its first use and is not pickled."""

    def __init__(self, url: URL) -> None:
        self.url = url

    @cached_property
    def engine(self) -> Engine:
        """The engine, made at its first use.

        Raises:
            UserError: the driver is not installed.
        """
        return make_engine(self.url)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection whose statements all see the same state of the database.

        Raises:
            StoreUnavailableError: the database cannot be reached.
        """
        options = {} if is_sqlite(self.url) else {"isolation_level": "REPEATABLE READ"}
        with self._reported(), self.engine.connect().execution_options(**options) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Yield a connection in a transaction that is committed at the end, and rolled back on any exception.

        Raises:
            StoreUnavailableError: the database cannot be reached or stays locked.
        """
        options = {"writing": True}
        with self._reported(), self.engine.execution_options(**options).begin() as connection:
            yield connection

    def close(self) -> None:
        """Close every connection; the next use makes a new engine."""
        if "engine" in self.__dict__:
            self.engine.dispose()
            del self.__dict__["engine"]

    def __getstate__(self) -> dict[str, object]:
        return {"url": self.url}

    def __repr__(self) -> str:
        return f"Database({shown(self.url)!r})"

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, InterfaceError) as error:
            words = without_password(database_words(error), self.url)
            raise StoreUnavailableError(f"the database {shown(self.url)} does not work: {words}") from None


def parse_url(text: str) -> URL:
    """Read a URL or the path of an SQLite file; the path in the result is absolute.

    Raises:
        UserError: not a URL, or of a database or driver that is not supported.
    """
    if "://" not in text:
        return _sqlite_url(text)
    scheme = text.partition("://")[0]
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise UserError(f"the database URL {scheme}://... cannot be read; {EXPECTED}") from None
    if url.drivername in SQLITE_DRIVERS:
        return _sqlite_url(url.database or "")
    if url.drivername in POSTGRESQL_DRIVERS:
        patience = {name: value for name, value in PATIENCE.items() if name not in url.query}
        return url.set(drivername="postgresql+psycopg").update_query_dict(patience)
    raise UserError(f"database {scheme!r} is not supported; {EXPECTED}")


def shown(url: URL) -> str:
    """Return the URL as text that may be printed: an SQLite file's path, or the URL without password and options."""
    if is_sqlite(url):
        return str(url.database)
    return url.set(drivername="postgresql", query={}).render_as_string(hide_password=True)


def is_sqlite(url: URL) -> bool:
    """Tell whether ``url`` names an SQLite file."""
    return url.get_backend_name() == "sqlite"


def has_password(url: URL) -> bool:
    """Tell whether ``url`` holds a secret, as its password or in an option."""
    return bool(url.password) or any(url.query.get(name) for name in SECRET_OPTIONS)


def require_file(url: URL, *, exists: bool) -> None:
    """Check that an SQLite URL names a database that is there (``exists``) or can be made; PostgreSQL passes.

    Raises:
        UserError: a directory, a missing file, a file in a missing directory, or one that is no database.
    """
    if not is_sqlite(url):
        return
    path = Path(str(url.database))
    if path.is_dir():
        raise UserError(f"{path} is a directory; name a database file, for example {path / 'sccbench.db'}")
    if exists and not path.exists():
        raise UserError(f"no results database at {path}; check the path, or measure something first")
    if not path.parent.is_dir():
        raise UserError(f"{path.parent} is no directory; make it, or name a database file elsewhere")
    if path.exists():
        try:
            with path.open("rb") as file:
                beginning = file.read(len(SQLITE_HEADER))
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror}") from None
        # SQLite itself takes a file of less than one page for an empty database, and would overwrite it.
        if beginning not in (b"", SQLITE_HEADER):
            raise UserError(f"{path} is no SQLite database; name another file")


def database_exists(url: str) -> bool:
    """Tell whether an SQLite file exists; true for any PostgreSQL URL.

    Raises:
        UserError: the URL is wrong.
    """
    parsed = parse_url(url)
    return not is_sqlite(parsed) or Path(str(parsed.database)).exists()


def make_engine(url: URL) -> Engine:
    """Make the engine for a URL from :func:`parse_url`; nothing is connected yet.

    Raises:
        UserError: the driver is not installed.
    """
    try:
        engine = create_engine(url, json_serializer=canonical_json, hide_parameters=True, pool_pre_ping=True)
    except ImportError:
        raise missing_driver() from None
    if is_sqlite(url):
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        event.listen(engine, "connect", prepare_postgresql)
    return engine


def missing_driver() -> UserError:
    """Return the error that says how to install PostgreSQL's driver."""
    return UserError("PostgreSQL needs the driver psycopg; install it: pip install 'scc-bench[postgresql]'")


def add_sqrt(connection: sqlite3.Connection) -> None:
    """Add ``sqrt``, which the views need, to an SQLite that was built without mathematical functions."""
    try:
        connection.execute("SELECT sqrt(1.0)")
    except sqlite3.OperationalError as error:
        if "no such function" not in str(error):
            raise
        connection.create_function("sqrt", 1, _sqrt, deterministic=True)


def prepare_postgresql(connection: Any, _record: object = None) -> None:
    """Set up a new connection of psycopg."""
    # Compiling the views takes longer than running them.
    connection.execute("SET jit = off")
    connection.execute("SET TIME ZONE 'UTC'")
    connection.commit()


def _sqrt(value: float | None) -> float | None:
    return None if value is None or value < 0 else math.sqrt(value)


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # With this sqlite3 sends no BEGIN of its own, which would leave DDL outside of the transaction.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")
    add_sqrt(connection)


def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that reads and then writes fails at once if another connection wrote in between.
    immediate = connection.get_execution_options().get("writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _sqlite_url(path: str) -> URL:
    if path in ("", ":memory:") or path.startswith("file:"):
        raise UserError(f"an SQLite database must be a plain file, not {path or ':memory:'!r}; {EXPECTED}")
    return URL.create("sqlite", database=str(Path(path).expanduser().absolute()))
