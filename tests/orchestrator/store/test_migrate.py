"""The schema: the same as the models, upgraded from every old one, refused when newer."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from orchestrator.store import ResultStore, read_only_query
from orchestrator.store.engine import Database, parse_url
from orchestrator.store.schema import migrate as migrate_module
from orchestrator.store.schema.migrate import VERSION_TABLE, head_revision
from orchestrator.store.schema.tables import Base
from scc_core.errors import UserError
from tests.orchestrator.store.builders import make_block, make_cell, row_of, start

DATA = Path(__file__).parent / "data"

NEXT_REVISION = """
import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{down_revision}"


def upgrade() -> None:
    op.add_column("cell", sa.Column("note", sa.Text, server_default="as before", nullable=False))
    {then}
"""


def _objects(url: str) -> dict[str, str]:
    path = url.removeprefix("sqlite:///")
    return dict(sqlite3.connect(path).execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall())


def _with_next_revision(monkeypatch: pytest.MonkeyPatch, folder: Path, then: str = "pass") -> str:
    """Make the program one that knows one revision more; return that revision."""
    down = head_revision()
    revision = f"{int(down) + 1:04d}"
    shutil.copytree(migrate_module.MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    source = NEXT_REVISION.format(revision=revision, down_revision=down, then=then)
    (folder / "versions" / f"{revision}_next.py").write_text(source)
    monkeypatch.setattr(migrate_module, "MIGRATIONS", folder)
    return revision


def test_migrations_make_what_the_models_describe(store: ResultStore, url: str) -> None:
    _check_like_the_models(url)


def _check_like_the_models(url: str) -> None:
    with Database(parse_url(url)).reading() as connection:
        options = {"version_table": VERSION_TABLE, "compare_type": True, "include_name": _no_other_schema}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata) == []


def _no_other_schema(name: str | None, kind: str, _parents: Any) -> bool:
    return kind != "schema" or name is None


def test_check_constraints_are_those_of_the_models(sqlite_url: str) -> None:
    ResultStore.open(sqlite_url).close()
    created = _objects(sqlite_url)
    for table in Base.metadata.tables.values():
        names = [str(constraint.name) for constraint in table.constraints if constraint.name]
        assert [name for name in names if name not in created[table.name]] == []


def test_opening_again_changes_nothing(store: ResultStore, url: str) -> None:
    start(store, make_cell(), 50)
    for create in (True, False):
        assert len(ResultStore.open(url, create=create).runs()) == 1
    assert read_only_query(url, f"SELECT version_num FROM {VERSION_TABLE}").item() == head_revision()


@pytest.mark.parametrize("dump", sorted(DATA.glob("schema_*.sql")), ids=lambda path: path.stem)
def test_an_old_file_is_upgraded_with_its_results(dump: Path, tmp_path: Path) -> None:
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    connection = sqlite3.connect(old)
    connection.executescript(dump.read_text())
    connection.close()
    ResultStore.open(str(new)).close()
    _check_upgraded(f"sqlite:///{old}")
    assert _objects(f"sqlite:///{old}").keys() == _objects(f"sqlite:///{new}").keys()


@pytest.mark.parametrize("dump", sorted(DATA.glob("postgresql_*.sql")), ids=lambda path: path.stem)
def test_an_old_postgresql_database_is_upgraded_with_its_results(dump: Path, postgresql_url: str) -> None:
    with Database(parse_url(postgresql_url)).writing() as connection:
        connection.exec_driver_sql(dump.read_text().replace("%", "%%"))
    _check_upgraded(postgresql_url)
    _check_like_the_models(postgresql_url)


def _check_upgraded(url: str) -> None:
    """Check the two cells of every stored old database; then write to it."""
    with ResultStore.open(url, create=False) as store:
        assert read_only_query(url, f"SELECT version_num FROM {VERSION_TABLE}").item() == head_revision()
        for view in ("classes", "samples"):
            assert read_only_query(url, f"SELECT * FROM {view}").is_empty()
        assert read_only_query(url, "SELECT count(*), count(name), count(class_name) FROM sample_results").row(0) == (
            100,
            0,
            0,
        )
        results = store.results(store.run().id)
        assert results.select("samples", "correct", "status").rows() == [(70, 35, "done"), (0, 0, "failed")]
        assert store.outcomes([results["cell"][0]])["correct"].to_list() == [True, False] * 50
        assert (store.run().submission, store.run().left_out, store.run().warnings) == (None, {}, {})
        cell = make_cell(7)
        assert store.write_blocks(start(store, cell, 50), [make_block(cell)]) == 1


def test_an_upgrade_keeps_the_data_and_remakes_the_views(
    store: ResultStore, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = make_cell()
    store.write_blocks(start(store, cell, 50), [make_block(cell)])
    with Database(parse_url(url)).writing() as connection:
        connection.execute(text("DROP VIEW results"))
        connection.execute(text("CREATE VIEW results AS SELECT 1 AS outdated"))
    store.close()
    revision = _with_next_revision(monkeypatch, tmp_path / "100% next")
    with ResultStore.open(url, create=False) as upgraded:
        assert row_of(upgraded.results(), cell)["samples"] == 50
    assert read_only_query(url, "SELECT note FROM cell").item() == "as before"
    assert read_only_query(url, f"SELECT version_num FROM {VERSION_TABLE}").item() == revision


def test_an_upgrade_that_fails_changes_nothing(
    store: ResultStore, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = make_cell()
    store.write_blocks(start(store, cell, 50), [make_block(cell)])
    store.close()
    before = head_revision()
    with monkeypatch.context() as patch:
        _with_next_revision(patch, tmp_path / "next", then='op.execute("SELECT nonsense FROM nowhere")')
        with pytest.raises(UserError, match="nowhere"):
            ResultStore.open(url)
    assert read_only_query(url, f"SELECT version_num FROM {VERSION_TABLE}").item() == before
    with pytest.raises(UserError, match="note"):
        read_only_query(url, "SELECT note FROM cell")
    assert row_of(store.results(), cell)["samples"] == 50


def test_a_newer_schema_is_refused_and_left_alone(
    store: ResultStore, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.close()
    known = head_revision()
    with monkeypatch.context() as patch:
        newer = _with_next_revision(patch, tmp_path / "next")
        ResultStore.open(url).close()
    words = (
        rf"was written by a newer scc-bench \(its schema is {newer}, this program knows up to {known}\); "
        "upgrade it: pip install --upgrade scc-bench"
    )
    for create in (True, False):
        with pytest.raises(UserError, match=words):
            ResultStore.open(url, create=create)
    assert read_only_query(url, f"SELECT version_num FROM {VERSION_TABLE}").item() == newer
