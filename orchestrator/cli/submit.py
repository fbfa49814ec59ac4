"""Commands about runs on a cluster: submit, logs, cancel, and the one that the head itself runs."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.exit_status import finish
from orchestrator.cli.options import (
    DEFAULT_DATABASE,
    Database,
    GridPath,
    HeadAddress,
    NoPlugins,
    OptionalHeadAddress,
    Strict,
    messages,
    output,
    print_line,
    takes_run_options,
)
from orchestrator.cluster.options import RunOptions
from scc_core.components.registry import Registry

if TYPE_CHECKING:
    from orchestrator.jobs import Head, SubmissionPackage

_START_PATIENCE_SECONDS = 600.0
_KEPT = "what was measured is stored, `sccbench resume"
SubmittedId = Annotated[
    str | None, typer.Argument(metavar="[RUN]", help="A run's id or its beginning. Default: the latest.")
]
WorkingDir = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="A folder with your own components, sent along. Default: the grid alone."),
]
Image = Annotated[
    str | None, typer.Option(metavar="IMAGE", help="A container image in which driver and workers run (podman).")
]
RuntimeEnv = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="A Ray runtime environment (YAML): pip, env_vars and the like; no secrets."),
]
Wait = Annotated[bool, typer.Option(help="Wait until the head has checked the grid, the database and the cluster.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (submit, logs, cancel):
        app.command()(command)
    app.command(hidden=True)(drive)


@takes_run_options
def submit(
    grid: GridPath,
    address: HeadAddress,
    working_dir: WorkingDir = None,
    image: Image = None,
    runtime_env: RuntimeEnv = None,
    *,
    options: RunOptions,
    no_plugins: NoPlugins = False,
    strict: Strict = False,
    wait: Wait = True,
) -> None:
    """Send a grid to a Ray cluster as a job, and print the id of its run."""
    from orchestrator.grid.schema import load_grid

    checked, text = load_grid(grid)

    from orchestrator.jobs import Head, JobSpec, RuntimeEnvironment, pack_submission
    from orchestrator.jobs.preflight import check_grid
    from orchestrator.store import new_run_id

    Registry.plugins_allowed = not no_plugins
    check_grid(checked, sends_code=working_dir is not None or image is not None)
    run = new_run_id(datetime.now(UTC))
    on_head = replace(options, address="auto")
    spec = JobSpec(run, run, options=on_head, plugins=not no_plugins, strict=strict)
    environment = RuntimeEnvironment(working_dir, image, runtime_env)
    _submit(Head(address), pack_submission(spec, checked.name, text, environment), wait=wait)


def submit_resume(run: str | None, address: str, options: RunOptions, *, plugins: bool) -> None:
    """Submit a job that resumes a run to the head whose database holds it.

    Raises:
        UserError: there is no such run, or the head cannot resume it.
    """
    from orchestrator.jobs import Head, JobSpec, RuntimeEnvironment, pack_submission

    head = Head(address)
    run_id, name = head.run_to_resume(run)
    spec = JobSpec(run_id, head.next_submission_id(run_id), resume=True, options=options, plugins=plugins)
    _submit(head, pack_submission(spec, name, None, RuntimeEnvironment()), wait=True)


def _submit(head: Head, package: SubmissionPackage, *, wait: bool) -> None:
    """Submit a package; print the id of its run on standard output, and what the head says on standard error."""
    head.submit(package)
    started = head.wait_until_started(package, _START_PATIENCE_SECONDS) if wait else None
    told = started or f"run {package.run}: sent"
    print_line(messages(), f"{told}; sccbench logs {package.run} --follow")
    print(package.run)


def logs(
    address: HeadAddress,
    run: SubmittedId = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing until the run ends.")] = False,
) -> None:
    """Print what the driver of a submitted run has printed."""
    from orchestrator.jobs import Head

    head = Head(address)
    found = head.run(run)
    if follow:
        head.follow(found, _show)
    else:
        _show(head.log(found))


def cancel(run: SubmittedId = None, address: OptionalHeadAddress = None, db: Database = DEFAULT_DATABASE) -> None:
    """Stop a run, through the head that it was sent to or through the database; what it has measured is kept."""
    run_id, told = _cancel_in_database(db, run) if address is None else _cancel_on_head(address, run)
    print_line(output(), f"run {run_id}: {told}")


def _cancel_on_head(address: str, run: str | None) -> tuple[str, str]:
    from orchestrator.jobs import Head

    head = Head(address)
    found = head.run(run)
    if found.finished:
        return found.run, f"had ended already: {found.state}"
    return found.run, f"{head.stop(found).state}; {_KEPT} {found.run}` continues"


def _cancel_in_database(db: str, run: str | None) -> tuple[str, str]:
    from orchestrator.store import ResultStore

    with ResultStore.open(db, create=False) as store:
        found = store.run(run)
        if not store.cancel_run(found.id):
            return found.id, f"had ended already: {found.state}"
    return found.id, f"cancelled; its driver stops within seconds; {_KEPT} {found.id}` continues"


def drive(job_spec: Annotated[str, typer.Argument(help="What `sccbench submit` sends.")]) -> None:
    """Run a submitted job: the head runs this."""
    from orchestrator.driver.display import ConsoleDisplay
    from orchestrator.jobs.entrypoint import run_job

    finish(run_job(job_spec, ConsoleDisplay(output())))


def _show(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
