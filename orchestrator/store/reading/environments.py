"""Environments, and which of them the numbers of a run come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, func, select, text

from orchestrator.store.schema.columns import UNKNOWN
from orchestrator.store.schema.tables import EnvironmentRow
from orchestrator.store.schema.views import FIRST_POSITION
from scc_core.environment import SHORT_DIGITS

_USED = f"""
    SELECT DISTINCT q.run_id, b.environment_id FROM run_cell q
    JOIN block b ON b.cell_id = q.cell_id AND {FIRST_POSITION} < q.samples"""


def name_of(digest: str | None) -> str:
    """Return the name of an environment by its digest, which blocks of an older program lack."""
    return digest[:SHORT_DIGITS] if digest else UNKNOWN


def environments(connection: Connection) -> dict[str, Mapping[str, Any]]:
    """Return the facts of every environment by its name, in the order in which they came."""
    name = func.substr(EnvironmentRow.digest, 1, SHORT_DIGITS)
    rows = connection.execute(select(name, EnvironmentRow.facts).order_by(EnvironmentRow.id))
    return {str(name): facts for name, facts in rows}


def environments_of_runs(connection: Connection, run_id: str | None) -> dict[str, list[str]]:
    """Return by the id of a run the names of the environments that measured its samples, whichever run did.

    Args:
        connection: in a transaction.
        run_id: of one run; None takes all.
    """
    names: dict[int | None, str] = {None: name_of(None)}
    names |= {
        row.id: name_of(row.digest) for row in connection.execute(select(EnvironmentRow.id, EnvironmentRow.digest))
    }
    one = " WHERE q.run_id = :run" if run_id else ""
    found: dict[str, list[str]] = {}
    for run, environment in connection.execute(text(_USED + one), {"run": run_id} if run_id else {}):
        found.setdefault(run, []).append(names[environment])
    return {run: sorted(used) for run, used in found.items()}
