"""The results database: SQLite by default, PostgreSQL for clusters."""

from orchestrator.store.encoding.rows import BlockRow, block_rows
from orchestrator.store.engine import database_exists
from orchestrator.store.errors import StoreUnavailableError
from orchestrator.store.leasing import DriverRecord, Tile
from orchestrator.store.reading.cells import StoredCell
from orchestrator.store.reading.frames import list_views
from orchestrator.store.reading.hits import Hits, on_common_samples
from orchestrator.store.reading.query import read_only_query
from orchestrator.store.reading.speeds import DeviceTotals
from orchestrator.store.records import RunRecord, RunSummary
from orchestrator.store.schema.columns import RESULTS, RUN_RESULTS, VIEWS, Column, View
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
