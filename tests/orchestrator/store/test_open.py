"""What may be given to ``ResultStore.open``, and what it says when that cannot work."""

from __future__ import annotations

import pickle
import socket
import sqlite3
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from orchestrator.store import ResultStore, StoreUnavailableError, database_exists, read_only_query
from orchestrator.store.engine import Database, parse_url, shown
from scc_core.errors import UserError
from tests.orchestrator.postgresql import PASSWORD, Server
from tests.orchestrator.store.builders import make_cell, make_record, start

SECRET = PASSWORD


def _open_error(url: str, *, create: bool = True) -> str:
    with pytest.raises(UserError) as caught:
        ResultStore.open(url, create=create)
    message = str(caught.value)
    assert "\n" not in message
    assert SECRET not in message
    return message


def test_a_plain_path_is_an_sqlite_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert not database_exists("results.db")
    with ResultStore.open("results.db") as store:
        start(store, make_cell(), 50)
    assert database_exists("results.db")
    assert len(ResultStore.open(f"sqlite:///{tmp_path}/results.db", create=False).runs()) == 1
    assert len(ResultStore.open("sqlite:///results.db", create=False).runs()) == 1
    monkeypatch.chdir("/")
    assert len(store.runs()) == 1


def test_sqlite_keeps_a_log_and_foreign_keys_and_waits(sqlite_url: str) -> None:
    ResultStore.open(sqlite_url).close()
    with Database(parse_url(sqlite_url)).reading() as connection:
        pragmas = ("journal_mode", "foreign_keys", "busy_timeout", "synchronous")
        values = [connection.execute(text(f"PRAGMA {name}")).scalar() for name in pragmas]
    assert values == ["wal", 1, 10_000, 1]


def test_a_directory_is_named_with_an_example(tmp_path: Path) -> None:
    assert _open_error(str(tmp_path)) == (
        f"{tmp_path} is a directory; name a database file, for example {tmp_path}/sccbench.db"
    )


def test_a_missing_file_is_only_made_when_asked_for(tmp_path: Path) -> None:
    message = _open_error(str(tmp_path / "none.db"), create=False)
    assert message == f"no results database at {tmp_path}/none.db; check the path, or measure something first"
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_a_missing_folder(tmp_path: Path) -> None:
    message = _open_error(str(tmp_path / "no" / "results.db"))
    assert message == f"{tmp_path}/no is no directory; make it, or name a database file elsewhere"


@pytest.mark.parametrize("contents", [b"x", b"no database " * 500], ids=["one byte", "6000 bytes"])
def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path, contents: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(contents)
    assert _open_error(str(path)) == f"{path} is no SQLite database; name another file"
    assert path.read_bytes() == contents


def test_a_damaged_database_is_reported(sqlite_url: str, tmp_path: Path) -> None:
    ResultStore.open(sqlite_url).close()
    path = tmp_path / "results.db"
    path.write_bytes(path.read_bytes()[:5000])
    assert _open_error(sqlite_url) == f"{path} cannot be used as a results database: database disk image is malformed"


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "results.db").touch()
    monkeypatch.setattr(Path, "open", refuse)
    assert _open_error(str(tmp_path / "results.db")) == f"{tmp_path}/results.db cannot be read: Permission denied"


def test_an_sqlite_file_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE bookmarks (a)")
    connection.close()
    for create in (True, False):
        message = _open_error(str(path), create=create)
        assert message == f"{path} belongs to another program (it holds bookmarks); name another database"
    tables = sqlite3.connect(path).execute("SELECT name FROM sqlite_master").fetchall()
    assert tables == [("bookmarks",)]


@pytest.mark.parametrize("name", ["results", "samples", "sample_name"])
def test_tables_of_another_program_matter_in_postgresql_only_if_their_names_collide(
    postgresql_url: str, name: str
) -> None:
    with Database(parse_url(postgresql_url)).writing() as connection:
        connection.execute(text("CREATE TABLE bookmarks (a integer)"))
        connection.execute(text(f"CREATE VIEW {name} AS SELECT * FROM bookmarks"))
    assert f"belongs to another program (it holds {name})" in _open_error(postgresql_url)
    with Database(parse_url(postgresql_url)).writing() as connection:
        connection.execute(text(f"DROP VIEW {name}"))
    assert ResultStore.open(postgresql_url).runs() == []


def test_an_empty_database_is_only_filled_when_asked_for(url: str, tmp_path: Path) -> None:
    (tmp_path / "results.db").touch()
    assert "holds no results; check the name, or measure something first" in _open_error(url, create=False)
    assert ResultStore.open(url).runs() == []


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f"mysql://u:{SECRET}@host/db", "database 'mysql' is not supported; expected a file, sqlite:///FILE or"),
        (f"nonsense://u:{SECRET}@host/db", "database 'nonsense' is not supported"),
        (f"postgresql+psycopg2://u:{SECRET}@host/db", "database 'postgresql+psycopg2' is not supported"),
        ("sqlite+aiosqlite:///x.db", "database 'sqlite+aiosqlite' is not supported"),
        (f"postgresql://u:{SECRET}@host:port/db", "the database URL postgresql://... cannot be read"),
        ("sqlite://", "must be a plain file, not ':memory:'"),
        ("sqlite:///:memory:", "must be a plain file, not ':memory:'"),
        ("sqlite:///file:x?mode=memory", "must be a plain file, not 'file:x'"),
        ("", "must be a plain file"),
    ],
)
def test_a_url_that_is_not_supported(url: str, words: str) -> None:
    assert words in _open_error(url)


def test_an_unreachable_server() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        url = f"postgresql://u:{SECRET}@127.0.0.1:{port}/db"
        message = _open_error(url)
        with pytest.raises(StoreUnavailableError, match="Connection refused"):
            read_only_query(url, "SELECT 1")
    assert message.startswith(f"the database postgresql://u:***@127.0.0.1:{port}/db does not work: ")
    assert "Connection refused" in message


def test_a_wrong_password(postgresql: Server) -> None:
    url = postgresql.url.replace(SECRET, f"{SECRET}-wrong")
    assert 'password authentication failed for user "bench"' in _open_error(url)
    with pytest.raises(StoreUnavailableError) as caught:
        read_only_query(url, "SELECT 1")
    assert SECRET not in str(caught.value)


def test_a_database_that_does_not_exist(postgresql: Server) -> None:
    assert 'database "nowhere" does not exist' in _open_error(postgresql.url.replace("/postgres", "/nowhere"))


def test_a_password_among_the_options_is_hidden(postgresql: Server) -> None:
    url = postgresql.url.replace(f":{SECRET}@", "@")
    assert read_only_query(f"{url}?password={SECRET}", "SELECT 1").item() == 1
    assert shown(parse_url(f"{url}?password={SECRET}")) == url
    assert "password authentication failed" in _open_error(f"{url}?password={SECRET}-wrong")
    assert "invalid connection option" in _open_error(f"{url}?password={SECRET}&nonsense={SECRET}")


def test_a_missing_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in ("psycopg", "psycopg_binary")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    url = f"postgresql://u:{SECRET}@host/db"
    message = "PostgreSQL needs the driver psycopg; install it: pip install 'scc-bench[postgresql]'"
    assert _open_error(url) == message
    with pytest.raises(UserError, match=r"pip install 'scc-bench\[postgresql\]'"):
        read_only_query(url, "SELECT 1")


def test_a_server_where_nothing_may_be_created(postgresql_url: str) -> None:
    schema = postgresql_url.rpartition("%3D")[2]
    with Database(parse_url(postgresql_url)).writing() as connection:
        connection.execute(text(f"CREATE ROLE guest_{schema} LOGIN PASSWORD '{SECRET}'"))
        connection.execute(text(f"GRANT USAGE ON SCHEMA {schema} TO guest_{schema}"))
    message = _open_error(postgresql_url.replace("//bench:", f"//guest_{schema}:"))
    assert f"cannot be used as a results database: permission denied for schema {schema}" in message


def test_neither_text_nor_error_shows_the_password(postgresql_url: str) -> None:
    store = ResultStore.open(postgresql_url)
    assert SECRET in postgresql_url
    assert SECRET not in repr(store) + str(store) + repr(store._database)
    assert "bench:***@127.0.0.1" in repr(store)
    assert pickle.loads(pickle.dumps(store)).runs() == []
    with pytest.raises(Exception, match="run_cell_samples_positive") as caught:
        store.run_cells(store.start_run(make_record(), {make_cell(): 0}))
    assert SECRET not in str(caught.value)


def test_postgres_is_another_name_of_postgresql() -> None:
    assert shown(parse_url(f"postgres://u:{SECRET}@h/d")) == "postgresql://u:***@h/d"
