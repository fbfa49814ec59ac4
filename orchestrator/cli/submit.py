"""Commands about runs on a cluster: submit, logs, cancel, and the one that the head itself runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import (
    DEFAULT_DATABASE,
    BatchSize,
    Database,
    DeviceChoice,
    GpusPerWorker,
    GridPath,
    HangSeconds,
    HeadAddress,
    NoPlugins,
    OptionalHeadAddress,
    Strict,
    Workers,
    messages,
    output,
)
from orchestrator.cluster.options import Devices, RunOptions

if TYPE_CHECKING:
    from orchestrator.jobs import Head, Parcel

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


def submit(
    grid: GridPath,
    address: HeadAddress,
    working_dir: WorkingDir = None,
    image: Image = None,
    runtime_env: RuntimeEnv = None,
    workers: Workers = None,
    batch_size: BatchSize = None,
    devices: DeviceChoice = Devices.AUTO,
    gpus_per_worker: GpusPerWorker = 1.0,
    hang_seconds: HangSeconds = None,
    no_plugins: NoPlugins = False,
    strict: Strict = False,
    wait: Wait = True,
) -> None:
    """Send a grid to a Ray cluster as a job, and print the id of its run."""
    from orchestrator.grid.schema import load_grid

    checked, text = load_grid(grid)

    from datetime import UTC, datetime

    from orchestrator.jobs import Head, Order, pack_run
    from orchestrator.jobs.preflight import check_grid
    from orchestrator.jobs.submission import Surroundings
    from orchestrator.store import new_run_id
    from scc_core.components.registry import Registry

    surroundings = Surroundings(working_dir, image, runtime_env)
    Registry.plugins_allowed = not no_plugins
    check_grid(checked, sends_code=working_dir is not None or image is not None)
    run = new_run_id(datetime.now(UTC))
    options = RunOptions("auto", workers, batch_size, devices, gpus_per_worker, hang_seconds)
    order = Order(run, run, options=options, plugins=not no_plugins, strict=strict)
    parcel = pack_run(order, checked.name, text, surroundings)
    _send(Head(address), parcel, wait=wait)


def submit_resume(run: str | None, address: str, options: RunOptions, *, plugins: bool) -> None:
    """Send an order to continue a run to the head whose database holds it.

    Raises:
        UserError: no such run, or the head cannot continue it.
    """
    from orchestrator.jobs import Head, Order, pack_run
    from orchestrator.jobs.submission import Surroundings

    head = Head(address)
    run_id, name = head.run_to_continue(run)
    order = Order(run_id, head.next_submission(run_id), resume=True, options=options, plugins=plugins)
    _send(head, pack_run(order, name, None, Surroundings()), wait=True)


def _send(head: Head, parcel: Parcel, *, wait: bool) -> None:
    """Send a parcel, print the id of its run on standard output, and on the other what the head says."""
    from orchestrator.jobs.submission import RUN_METADATA

    head.send(parcel)
    started = head.wait_until_started(parcel, _START_PATIENCE_SECONDS) if wait else None
    run = parcel.metadata[RUN_METADATA]
    told = started or f"run {run}: sent"
    messages().print(f"{told}; sccbench logs {run} --follow", highlight=False, markup=False, soft_wrap=True)
    print(run)


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
    output().print(f"run {run_id}: {told}", highlight=False, markup=False, soft_wrap=True)


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


def drive(order: Annotated[str, typer.Argument(help="What `sccbench submit` sends.")]) -> None:
    """Carry out a submitted run: the head runs this."""
    from orchestrator.jobs.entrypoint import carry_out

    carry_out(order, output())


def _show(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
