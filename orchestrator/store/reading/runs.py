"""Runs by their ids, and summaries of runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select, text

from orchestrator.store.encoding.rows import COUNTS, run_summary
from orchestrator.store.records import RunSummary
from orchestrator.store.schema.tables import Run
from orchestrator.store.schema.views import FIRST_POSITION, STATUS
from scc_core.errors import UserError

LATEST_SHOWN = 5


def find_run(connection: Connection, run_id: str | None) -> str:
    """Return the id that is or begins with ``run_id``; the latest for None.

    Raises:
        UserError: no run has this id, or several have.
    """
    query = select(Run.id, Run.name).order_by(Run.id.desc())
    if run_id:
        query = query.where(Run.id.startswith(run_id, autoescape=True))
    found = connection.execute(query.limit(LATEST_SHOWN)).all()
    exact = [row for row in found if row.id == run_id]
    if exact or len(found) == 1 or (found and not run_id):
        return str((exact or found)[0].id)
    if found:
        raise UserError(f"several runs begin with {run_id!r}: {_listed(found)}; write more of the id")
    latest = connection.execute(select(Run.id, Run.name).order_by(Run.id.desc()).limit(LATEST_SHOWN)).all()
    if not latest:
        raise UserError("this database holds no run yet; start one: sccbench run GRID")
    raise UserError(f"no run {run_id!r}; the latest are {_listed(latest)}")


def _listed(runs: Sequence[Any]) -> str:
    return ", ".join(f"{run.id} ({run.name})" for run in runs)


def summaries(connection: Connection, run_id: str | None = None) -> list[RunSummary]:
    """Return the runs, the latest first, or the one with the id ``run_id``."""
    query = select(Run.__table__).order_by(Run.id.desc())
    if run_id:
        query = query.where(Run.id == run_id)
    rows = connection.execute(text(_counted(one=bool(run_id))), {"run": run_id} if run_id else {}).mappings()
    counts = {row["run_id"]: dict(row) for row in rows}
    nothing = dict.fromkeys(COUNTS, 0)
    runs = connection.execute(query).mappings()
    return [run_summary(dict(row), counts.get(row["id"], nothing)) for row in runs]


def _counted(*, one: bool) -> str:
    """Return the SQL that counts the cells and samples of every run, or of run ``:run``.

    Runs that ask for the same number of samples of a cell share one count of its blocks, which the index alone gives.
    """
    asked = "FROM run_cell WHERE run_id = :run" if one else "FROM run_cell"
    sums = ", ".join(f"{expression} AS {name}" for name, expression in COUNTS.items())
    offered = f"a.samples - {FIRST_POSITION}"
    return f"""
    WITH asked AS (SELECT DISTINCT cell_id, samples {asked}
    ), measured AS (
        SELECT a.cell_id, a.samples AS requested_samples,
            sum(CASE WHEN {offered} < b.samples THEN {offered} ELSE b.samples END) AS samples
        FROM asked a JOIN block b ON b.cell_id = a.cell_id AND {FIRST_POSITION} < a.samples
        GROUP BY a.cell_id, a.samples
    ), counted AS (
        SELECT q.run_id, q.samples AS requested_samples, q.error, COALESCE(m.samples, 0) AS samples
        FROM (SELECT * {asked}) AS q
        LEFT JOIN measured m ON m.cell_id = q.cell_id AND m.requested_samples = q.samples
    )
    SELECT run_id, {sums} FROM (SELECT counted.*, {STATUS} AS status FROM counted) AS judged GROUP BY run_id"""
