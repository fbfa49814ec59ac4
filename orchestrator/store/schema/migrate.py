"""Bring a database to the schema of this program: create it, upgrade it, or say why that cannot be.

Tables change through the migrations in this package. The views hold no data: every upgrade drops and recreates them.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from orchestrator.store.engine import Database, is_sqlite, shown
from orchestrator.store.schema.columns import VIEWS
from orchestrator.store.schema.tables import Base
from orchestrator.store.schema.views import create_views, drop_views
from scc_core.errors import UserError

VERSION_TABLE = "scc_bench_version"

MIGRATIONS = Path(__file__).parent / "migrations"

# Any number will do, as long as every version of the program takes the same.
POSTGRESQL_LOCK = 7_226_232


def migrate(database: Database, *, create: bool) -> None:
    """Create or upgrade the schema in one transaction; do nothing where it is current.

    Raises:
        UserError: the schema is newer than the program, the database belongs to another program, or it is empty and
            ``create`` is False.
    """
    with database.reading() as connection:
        if _is_current(connection, database, create=create):
            return
    with database.writing() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({POSTGRESQL_LOCK})"))
        if not _is_current(connection, database, create=create):
            _upgrade(connection)


def head_revision() -> str:
    """Return the schema revision that this program works with."""
    return str(_scripts().get_current_head())


def _is_current(connection: Connection, database: Database, *, create: bool) -> bool:
    revision = _revision(connection)
    if revision is None:
        _require_ours(connection, database, create=create)
    elif revision not in {script.revision for script in _scripts().walk_revisions()}:
        raise UserError(
            f"{shown(database.url)} was written by a newer scc-bench (its schema is {revision}, this program knows "
            f"up to {head_revision()}); upgrade it: pip install --upgrade scc-bench"
        )
    return revision == head_revision()


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    revision = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()
    return None if revision is None else str(revision)


def _require_ours(connection: Connection, database: Database, *, create: bool) -> None:
    inspector = inspect(connection)
    names = {*inspector.get_table_names(), *inspector.get_view_names()} - {VERSION_TABLE}
    if not is_sqlite(database.url):
        names &= {*Base.metadata.tables, *(view.name for view in VIEWS)}
    if names:
        found = ", ".join(sorted(names)[:3])
        raise UserError(f"{shown(database.url)} belongs to another program (it holds {found}); name another database")
    if not create:
        raise UserError(f"{shown(database.url)} holds no results; check the name, or measure something first")


def _upgrade(connection: Connection) -> None:
    for statement in drop_views():
        connection.execute(text(statement))
    command.upgrade(_config(connection), "head")
    for statement in create_views(connection.dialect.name):
        connection.execute(text(statement))


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes.update(connection=connection, version_table=VERSION_TABLE)
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())
