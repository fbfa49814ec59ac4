"""Read-only SQL queries, answered as Polars frames. The database itself refuses to write; the SQL text is not searched.

SQLite: the file is opened read-only, and an authorizer denies other files and settings, which a read-only connection
allows. PostgreSQL: one prepared statement, which must return columns, runs in a read-only transaction that has begun,
so that no statement can make it read-write.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import polars as pl
from sqlalchemy import URL

from orchestrator.store.engine import (
    BUSY_TIMEOUT_MS,
    add_sqrt,
    is_sqlite,
    missing_driver,
    parse_url,
    prepare_postgresql,
    require_file,
    shown,
)
from orchestrator.store.errors import (
    RefusedQueryError,
    StoreUnavailableError,
    database_words,
    without_password,
)
from scc_core.errors import UserError

if TYPE_CHECKING:
    import psycopg

READING_PRAGMAS = ("table_info", "table_xinfo", "table_list", "index_list", "index_info", "foreign_key_list")

NO_COLUMNS = "only statements that return columns are answered, and this one would not; it was not run"


def read_only_query(url: str, sql: str) -> pl.DataFrame:
    """Return the rows of one SQL query; a name that occurs twice gets ``_2``, ``_3`` added.

    Args:
        url: as for :meth:`ResultStore.open`.
        sql: one statement in the database's own SQL that returns rows.

    Raises:
        UserError: the database cannot be read, or refuses the statement: its own words are given.
    """
    parsed = parse_url(url)
    require_file(parsed, exists=True)
    return _query_sqlite(parsed, sql) if is_sqlite(parsed) else _query_postgresql(parsed, sql)


def _query_sqlite(url: URL, sql: str) -> pl.DataFrame:
    with closing(_open_sqlite(Path(str(url.database)))) as connection:
        try:
            cursor = connection.execute(sql)
            return _frame([column[0] for column in cursor.description or ()], cursor.fetchall())
        except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
            raise _refused(database_words(error)) from None


def _open_sqlite(path: Path) -> sqlite3.Connection:
    """Open the file read-only; as immutable where SQLite cannot make its shared memory, as in a read-only folder."""
    try:
        return _connect_sqlite(path, "mode=ro")
    except sqlite3.Error as error:
        unmerged = path.with_name(path.name + "-wal")
        if isinstance(error, sqlite3.OperationalError) and not unmerged.exists():
            return _connect_sqlite(path, "mode=ro&immutable=1")
        raise UserError(f"{path} cannot be read as a results database: {database_words(error)}") from None


def _connect_sqlite(path: Path, options: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"file:{quote(str(path))}?{options}", uri=True, isolation_level=None)
    try:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA query_only = ON")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        add_sqrt(connection)
    except sqlite3.Error:
        connection.close()
        raise
    connection.set_authorizer(_authorize)
    return connection


def _authorize(action: int, first: str | None, second: str | None, _database: str | None, _source: str | None) -> int:
    """Deny other files and changes of settings, which a read-only connection allows."""
    if action in (sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH):
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_PRAGMA and second is not None and first not in READING_PRAGMAS:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


def _query_postgresql(url: URL, sql: str) -> pl.DataFrame:
    try:
        import psycopg
    except ImportError:
        raise missing_driver() from None
    with closing(_connect_postgresql(url)) as connection:
        try:
            connection.read_only = True
            # The first query fixes the mode of the transaction, which is rolled back when the connection is closed.
            connection.execute("SELECT 1")
            _require_columns(connection, sql)
            cursor = connection.execute(sql.encode(), prepare=True)
            return _frame([column.name for column in cursor.description or ()], cursor.fetchall())
        except (psycopg.Error, ValueError) as error:
            raise _refused(without_password(database_words(error), url)) from None


def _connect_postgresql(url: URL) -> psycopg.Connection[Any]:
    import psycopg
    from psycopg.types.numeric import FloatLoader

    _, options = url.get_dialect()().create_connect_args(url)
    try:
        connection = psycopg.connect(**options, prepare_threshold=None)
        prepare_postgresql(connection)
    except psycopg.Error as error:
        words = without_password(database_words(error), url)
        raise StoreUnavailableError(f"the database {shown(url)} does not work: {words}") from None
    connection.adapters.register_loader("numeric", FloatLoader)
    return connection


def _require_columns(connection: psycopg.Connection[Any], sql: str) -> None:
    """Let the server parse ``sql`` without running it: a read-only transaction would run COPY to a file, or SET."""
    from psycopg import pq
    from psycopg.errors import error_from_result

    for result in (connection.pgconn.prepare(b"query", sql.encode()), connection.pgconn.describe_prepared(b"query")):
        if result.status == pq.ExecStatus.FATAL_ERROR:
            raise error_from_result(result)
    if result.nfields == 0:
        raise ValueError(NO_COLUMNS)


def _frame(names: Sequence[str], rows: Sequence[Sequence[object]]) -> pl.DataFrame:
    if not names:
        raise ValueError(NO_COLUMNS)
    columns: dict[str, pl.Series] = {}
    for index, name in enumerate(names):
        distinct, count = name, 1
        while distinct in columns:
            count += 1
            distinct = f"{name}_{count}"
        columns[distinct] = pl.Series(distinct, [row[index] for row in rows], strict=False)
    return pl.DataFrame(columns)


def _refused(words: str) -> RefusedQueryError:
    return RefusedQueryError(f"the database refuses this query: {words}")
