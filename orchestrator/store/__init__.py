"""The results database: SQLite by default, PostgreSQL for clusters."""

from orchestrator.store.cells import StoredCell
from orchestrator.store.columns import RESULTS, RUN_RESULTS, VIEWS, Column, View
from orchestrator.store.engine import database_exists
from orchestrator.store.errors import StoreUnavailableError
from orchestrator.store.frames import list_views
from orchestrator.store.hits import Hits, on_common_samples
from orchestrator.store.leasing import DriverRecord, Tile
from orchestrator.store.query import read_only_query
from orchestrator.store.records import RunRecord, RunSummary
from orchestrator.store.rows import BlockRow, block_rows
from orchestrator.store.speeds import DeviceTotals
from orchestrator.store.store import ResultStore

__all__ = [
    "RESULTS",
    "RUN_RESULTS",
    "VIEWS",
    "BlockRow",
    "Column",
    "DeviceTotals",
    "DriverRecord",
    "Hits",
    "ResultStore",
    "RunRecord",
    "RunSummary",
    "StoreUnavailableError",
    "StoredCell",
    "Tile",
    "View",
    "block_rows",
    "database_exists",
    "list_views",
    "on_common_samples",
    "read_only_query",
]
