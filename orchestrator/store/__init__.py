"""The results database: SQLite by default, PostgreSQL for clusters."""

from orchestrator.store.credentials import (
    NO_SECRETS,
    SECRET_VARIABLES,
    check_not_on_command_line,
    database_of_environment,
    database_of_head,
    hidden_secrets,
)
from orchestrator.store.encoding.rows import (
    BlockRow,
    Environments,
    block_rows,
    check_stored_row,
    environments_of,
    is_run_id,
    new_run_id,
    storable_rows,
)
from orchestrator.store.engine import PATIENCE, database_exists, is_sqlite, parse_url
from orchestrator.store.errors import SECRET_OPTIONS, RunCancelledError, StoreUnavailableError
from orchestrator.store.leasing import HEARTBEATS_PER_LEASE, DriverRecord, Tile
from orchestrator.store.reading.cells import MeasuredCell, StoredCell
from orchestrator.store.reading.frames import list_views
from orchestrator.store.reading.hits import Hits, on_common_samples
from orchestrator.store.reading.query import read_only_query
from orchestrator.store.reading.speeds import DeviceTotals
from orchestrator.store.records import RunRecord, RunSummary
from orchestrator.store.schema.tables import TILE_BLOCKS
from orchestrator.store.store import ResultStore

__all__ = [
    "HEARTBEATS_PER_LEASE",
    "NO_SECRETS",
    "PATIENCE",
    "SECRET_OPTIONS",
    "SECRET_VARIABLES",
    "TILE_BLOCKS",
    "BlockRow",
    "DeviceTotals",
    "DriverRecord",
    "Environments",
    "Hits",
    "MeasuredCell",
    "ResultStore",
    "RunCancelledError",
    "RunRecord",
    "RunSummary",
    "StoreUnavailableError",
    "StoredCell",
    "Tile",
    "block_rows",
    "check_not_on_command_line",
    "check_stored_row",
    "database_exists",
    "database_of_environment",
    "database_of_head",
    "environments_of",
    "hidden_secrets",
    "is_run_id",
    "is_sqlite",
    "list_views",
    "new_run_id",
    "on_common_samples",
    "parse_url",
    "read_only_query",
    "storable_rows",
]
