"""The driver of a submitted run, on the head: everything is checked there before the run exists."""

from __future__ import annotations

from orchestrator.driver.api import resume_run, run_grid
from orchestrator.driver.display import Display
from orchestrator.driver.driver import RunResult
from orchestrator.grid.schema import parse_grid
from orchestrator.jobs.job_spec import JobSpec, unpack_grid
from orchestrator.store import database_of_head
from scc_core.components.registry import Registry
from scc_core.machine import settings


def run_job(text: str, display: Display) -> RunResult:
    """Start or resume the run that a job specification asks for.

    Args:
        text: the job specification, as :meth:`JobSpec.command` wrote it.
        display: shows what happens.

    Raises:
        UserError: the versions, the database, the grid or the cluster are not as the run needs them; nothing was done.
    """
    spec = JobSpec.parse(text)
    Registry.plugins_allowed = spec.plugins
    database = database_of_head()
    if spec.resume:
        return resume_run(spec.run, database, spec.options, display, submission_id=spec.submission_id)
    grid_text = unpack_grid(settings.GRID.read())
    grid = parse_grid(grid_text, "the submitted grid")
    return run_grid(
        grid, grid_text, database, spec.options, display, strict=spec.strict, submission_id=spec.submission_id
    )
