"""The results database: SQLite by default, PostgreSQL for clusters."""

from orchestrator.store.columns import RESULTS, RUN_RESULTS, VIEWS, Column, View
from orchestrator.store.engine import database_exists
from orchestrator.store.errors import StoreUnavailableError
from orchestrator.store.frames import list_views
from orchestrator.store.query import read_only_query
from orchestrator.store.records import RunRecord, RunSummary
from orchestrator.store.store import ResultStore

__all__ = [
    "RESULTS",
    "RUN_RESULTS",
    "VIEWS",
    "Column",
    "ResultStore",
    "RunRecord",
    "RunSummary",
    "StoreUnavailableError",
    "View",
    "database_exists",
    "list_views",
    "read_only_query",
]
