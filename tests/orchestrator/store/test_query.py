"""Read-only SQL: what is answered, and that nothing else has any effect."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from orchestrator.store import ResultStore, list_views, read_only_query
from orchestrator.store.schema.columns import VIEWS
from scc_core.errors import UserError
from tests.orchestrator.store.builders import make_block, make_cell, start

COUNT = "SELECT (SELECT count(*) FROM run) AS r, (SELECT count(*) FROM cell) AS c, (SELECT count(*) FROM block) AS b"

WRITES = [
    "INSERT INTO run_cell SELECT * FROM run_cell",
    "INSERT INTO cell (id) VALUES (77) RETURNING id",
    "UPDATE cell SET seed = 5",
    "DELETE FROM block",
    "DROP TABLE block",
    "DROP VIEW results",
    "CREATE TABLE other (a INTEGER)",
    "CREATE TEMP TABLE other (a INTEGER)",
    "CREATE VIEW other AS SELECT 1 AS one",
    "CREATE INDEX other ON cell (seed)",
    "ALTER TABLE cell ADD COLUMN other INTEGER",
    "WITH one AS (SELECT 1) DELETE FROM block",
    "VACUUM",
    "ANALYZE",
    "SELECT 1; DELETE FROM block",
    "COMMIT; DELETE FROM block",
    "ROLLBACK",
    "BEGIN",
    "-- only a comment",
    "",
]

SQLITE_WRITES = [
    "REPLACE INTO run_cell SELECT * FROM run_cell",
    "PRAGMA user_version = 5",
    "PRAGMA query_only = OFF",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA journal_mode(DELETE)",
    "PRAGMA writable_schema = ON",
    "ATTACH '{folder}/other.db' AS other",
    "VACUUM INTO '{folder}/other.db'",
    "SELECT load_extension('{folder}/x')",
]

POSTGRESQL_WRITES = [
    "WITH gone AS (DELETE FROM block RETURNING 1) SELECT * FROM gone",
    "EXPLAIN ANALYZE DELETE FROM block",
    "SELECT * INTO other FROM cell",
    "SELECT * FROM cell FOR UPDATE",
    "SELECT nextval('cell_id_seq')",
    "SELECT set_config('transaction_read_only', 'off', false)",
    "SET TRANSACTION READ WRITE",
    "SET default_transaction_read_only = off",
    "DO $$ BEGIN DELETE FROM block; END $$",
    "DO $$ BEGIN COMMIT; DELETE FROM block; END $$",
    "TRUNCATE block",
    "COPY cell TO '{folder}/other.db'",
    "COPY (SELECT 1) TO PROGRAM 'cat > {folder}/other.db'",
    "GRANT ALL ON cell TO PUBLIC",
]


@pytest.fixture
def filled(store: ResultStore) -> ResultStore:
    cell = make_cell()
    store.write_blocks(start(store, cell, 100), [make_block(cell)])
    store.close()
    return store


@pytest.fixture
def filled_file(sqlite_url: str) -> Path:
    with ResultStore.open(sqlite_url) as store:
        cell = make_cell()
        store.write_blocks(start(store, cell, 100), [make_block(cell)])
    return Path(sqlite_url.removeprefix("sqlite:///"))


@pytest.fixture
def filled_server(postgresql_url: str) -> str:
    with ResultStore.open(postgresql_url) as store:
        cell = make_cell()
        store.write_blocks(start(store, cell, 100), [make_block(cell)])
    return postgresql_url


def _refused(url: str, sql: str) -> str:
    with pytest.raises(UserError) as caught:
        read_only_query(url, sql)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_every_write_is_refused(filled: ResultStore, url: str) -> None:
    before = read_only_query(url, COUNT).row(0)
    for sql in WRITES:
        assert _refused(url, sql).startswith("the database refuses this query: "), sql
    assert read_only_query(url, COUNT).row(0) == before == (1, 1, 1)


def test_every_write_of_sqlite_leaves_the_file_as_it_is(filled_file: Path) -> None:
    before = hashlib.sha256(filled_file.read_bytes()).hexdigest()
    for sql in WRITES + SQLITE_WRITES:
        _refused(str(filled_file), sql.format(folder=filled_file.parent))
    assert hashlib.sha256(filled_file.read_bytes()).hexdigest() == before
    names = {path.name for path in filled_file.parent.iterdir()}
    assert names <= {"results.db", "results.db-wal", "results.db-shm"}
    wal = filled_file.with_name("results.db-wal")
    assert not wal.exists() or wal.stat().st_size == 0


def test_every_write_of_postgresql_is_refused_and_does_nothing(filled_server: str) -> None:
    with _scratch_folder() as folder:
        folder.chmod(0o777)
        for sql in POSTGRESQL_WRITES:
            _refused(filled_server, sql.format(folder=folder))
            assert read_only_query(filled_server, COUNT).row(0) == (1, 1, 1), sql
        assert list(folder.iterdir()) == []
    assert read_only_query(filled_server, "SHOW transaction_read_only").item() == "on"
    assert read_only_query(filled_server, "SHOW default_transaction_read_only").item() == "off"


def test_large_objects_made_by_a_query_are_rolled_back(filled_server: str) -> None:
    # PostgreSQL 15 lets a read-only transaction make them, 16 does not.
    with suppress(UserError):
        read_only_query(filled_server, "SELECT lo_creat(-1)")
    assert read_only_query(filled_server, "SELECT count(*) FROM pg_largeobject_metadata").item() == 0


@pytest.mark.parametrize(
    ("sql", "sqlite_words", "postgresql_words"),
    [
        ("SELEC 1", 'near "SELEC": syntax error', 'syntax error at or near "SELEC"'),
        ("SELECT accurcy FROM results", "no such column: accurcy", 'column "accurcy" does not exist'),
        ("SELECT * FROM result", "no such table: result", 'relation "result" does not exist'),
        ("SELECT 1; SELECT 2", "only execute one statement", "cannot insert multiple commands"),
        ("INSERT INTO cell (id) VALUES (7) RETURNING id", "attempt to write a readonly database", "read-only"),
    ],
)
def test_the_error_gives_the_databases_own_words(
    filled: ResultStore, url: str, sql: str, sqlite_words: str, postgresql_words: str
) -> None:
    assert (sqlite_words if url.startswith("sqlite") else postgresql_words) in _refused(url, sql)


def test_a_query_gives_a_typed_frame(filled: ResultStore, url: str) -> None:
    frame = read_only_query(url, "SELECT model, samples, accuracy, 'a%b' AS p, NULL AS n FROM results")
    expected = {"model": ["clip-b16"], "samples": [50], "accuracy": [1.0], "p": ["a%b"], "n": [None]}
    assert frame.to_dict(as_series=False) == expected
    assert frame.dtypes[:4] == [pl.String, pl.Int64, pl.Float64, pl.String]


def test_names_that_occur_twice_are_numbered(filled: ResultStore, url: str) -> None:
    assert read_only_query(url, "SELECT 1 AS a, 2 AS a, 3 AS a_2, 4 AS a").columns == ["a", "a_2", "a_2_2", "a_3"]


def test_an_answer_without_rows_keeps_its_columns(filled: ResultStore, url: str) -> None:
    frame = read_only_query(url, "SELECT cell, samples FROM results WHERE samples > 1000")
    assert (frame.shape, frame.columns) == ((0, 2), ["cell", "samples"])


def test_with_and_explain_are_answered(filled: ResultStore, url: str) -> None:
    assert read_only_query(url, "WITH one AS (SELECT 1 AS a) SELECT a + 1 AS b FROM one;").item() == 2
    assert len(read_only_query(url, "EXPLAIN SELECT 1")) >= 1


def test_sqlite_may_be_asked_about_its_tables(filled_file: Path) -> None:
    names = read_only_query(str(filled_file), "PRAGMA table_info(run_cell)")["name"].to_list()
    assert names == ["run_id", "cell_id", "samples", "error", "traceback"]


def test_a_missing_file_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no results database at .*none\.db"):
        read_only_query(str(tmp_path / "none.db"), "SELECT 1")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no database " * 200)
    with pytest.raises(UserError, match=r"notes\.txt is no SQLite database; name another file"):
        read_only_query(str(tmp_path / "notes.txt"), "SELECT 1")


def test_names_with_marks_of_a_url_are_files(tmp_path: Path) -> None:
    path = tmp_path / "a b%20?mode=rw#x.db"
    with ResultStore.open(str(path)) as store:
        start(store, make_cell(), 50)
    assert read_only_query(str(path), "SELECT count(*) FROM run").item() == 1


def test_a_connection_that_writes_does_not_hinder_reading(sqlite_url: str) -> None:
    with ResultStore.open(sqlite_url) as store, store._database.writing() as connection:
        connection.exec_driver_sql("CREATE TABLE unfinished (a)")
        assert read_only_query(sqlite_url, "SELECT count(*) FROM run").item() == 0


def test_a_file_in_a_folder_that_may_not_be_written_is_read(filled_file: Path) -> None:
    with _scratch_folder() as folder:
        shutil.copyfile(filled_file, folder / "results.db")
        with _without_rights(folder):
            assert read_only_query(str(folder / "results.db"), "SELECT samples FROM results").item() == 50
        assert [path.name for path in folder.iterdir()] == ["results.db"]


def test_unmerged_changes_in_a_folder_that_may_not_be_written_are_not_overlooked(sqlite_url: str) -> None:
    with ResultStore.open(sqlite_url) as store, _scratch_folder() as folder:
        start(store, make_cell(), 50)
        source = Path(sqlite_url.removeprefix("sqlite:///"))
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{source}{suffix}", folder / f"results.db{suffix}")
        with _without_rights(folder), pytest.raises(UserError, match="cannot be read as a results database"):
            read_only_query(str(folder / "results.db"), "SELECT count(*) FROM run")


@contextmanager
def _scratch_folder() -> Iterator[Path]:
    """A folder that other users can reach, which those of pytest are not."""
    folder = Path(tempfile.mkdtemp(prefix="sccbench-scratch-", dir="/tmp"))
    try:
        yield folder
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


@contextmanager
def _without_rights(folder: Path) -> Iterator[None]:
    """Take away the right to write the folder, and root's to do it all the same."""
    for path in folder.iterdir():
        path.chmod(0o444)
    folder.chmod(0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_an_sqlite_without_mathematics_gets_a_root(filled_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestrator.store.engine import add_sqrt

    class Bare(sqlite3.Connection):
        roots = 0

        def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
            if "sqrt" in sql and not self.roots:
                raise sqlite3.OperationalError("no such function: sqrt")
            return super().execute(sql, *parameters)

        def create_function(self, *arguments: Any, **options: Any) -> None:
            self.roots += 1
            super().create_function(*arguments, **options)

    connection = sqlite3.connect(filled_file, factory=Bare)
    add_sqrt(connection)
    assert connection.roots == 1
    row = connection.execute("SELECT sqrt(2.25), sqrt(-1), sqrt(NULL)").fetchone()
    assert row == (1.5, None, None)
    connection.close()


def test_the_documentation_lists_every_column() -> None:
    frame = list_views()
    assert frame.columns == ["view", "column", "type", "meaning"]
    assert len(frame) == sum(len(view.columns) for view in VIEWS)
    assert frame.select(pl.col("meaning").str.len_chars().min()).item() >= 5
    assert frame.filter(pl.col("view") == "run_results")["column"].to_list()[:3] == ["run", "run_name", "cell"]
