"""A Ray head as seen through its job API: runs are sent there, looked up, followed and stopped."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ray.job_submission import JobDetails, JobStatus

from orchestrator.jobs.connection import connect, explained
from orchestrator.jobs.submission import NAME_METADATA, RUN_METADATA, Parcel
from orchestrator.store import is_run_id
from scc_core.errors import UserError

LOOK_SECONDS = 0.5
_COMMAND_NOT_FOUND = 127
_ERROR = "error: "
_LATEST_SHOWN = 5
_STATES = {JobStatus.PENDING: "pending", JobStatus.RUNNING: "running", JobStatus.STOPPED: "cancelled"}


@dataclass(frozen=True)
class SubmittedRun:
    """A run as the head knows it, by the latest of its jobs.

    Attributes:
        run: id of the run.
        name: the grid's name.
        submission: id of the job.
        state: ``pending``, ``running``, ``complete``, ``failed`` or ``cancelled``.
        exit_status: of the driver; None while it runs.
        started_at: when the job was sent, in UTC.
        message: what Ray says of it.
    """

    run: str
    name: str
    submission: str
    state: str
    exit_status: int | None
    started_at: datetime
    message: str

    @property
    def finished(self) -> bool:
        """Whether its driver has ended."""
        return self.state not in ("pending", "running")


class Head:
    """The job API of a cluster.

    Args:
        address: ``http://HOST:PORT``.

    Raises:
        UserError: no job API of this Ray version answers there, or it refuses the token.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        self._client = connect(self.address)

    def send(self, parcel: Parcel) -> None:
        """Start a job.

        Raises:
            UserError: the head refuses it.
        """
        with explained(self.address):
            self._client.submit_job(
                entrypoint=parcel.entrypoint,
                submission_id=parcel.submission,
                runtime_env=dict(parcel.runtime_env),
                metadata=dict(parcel.metadata),
            )

    def runs(self) -> list[SubmittedRun]:
        """Return the runs that this program sent there, the latest first, each by its latest job."""
        return list({run.run: run for run in sorted(self._jobs(), key=lambda run: run.started_at)}.values())[::-1]

    def run(self, given: str | None) -> SubmittedRun:
        """Return the run whose id is or begins with ``given``; the latest for None.

        Raises:
            UserError: none such, or several.
        """
        runs = self.runs()
        found = [run for run in runs if given is None or run.run.startswith(given)]
        if len(found) == 1 or (found and given is None):
            return found[0]
        listed = ", ".join(f"{run.run} ({run.name})" for run in (found or runs)[:_LATEST_SHOWN])
        if found:
            raise UserError(f"several runs begin with {given!r}: {listed}; write more of the id")
        if not runs:
            raise UserError(f"the head at {self.address} knows no run; send one with `sccbench submit GRID`")
        raise UserError(f"the head at {self.address} knows no run {given!r}; the latest are {listed}")

    def run_to_continue(self, given: str | None) -> tuple[str, str]:
        """Return id and name of a run that another job shall continue.

        A head that was started again has forgotten its jobs, and the run may come from elsewhere, so that a whole id
        is taken as it is; the driver looks for it in the database.

        Raises:
            UserError: part of an id, which is that of no run here or of several.
        """
        names = {run.run: run.name for run in self.runs()}
        if given is not None and is_run_id(given):
            return given, names.get(given, "")
        found = self.run(given)
        return found.run, found.name

    def next_submission(self, run: str) -> str:
        """Return an id for a further job of a run; Ray takes none twice."""
        return f"{run}.{1 + sum(job.run == run for job in self._jobs())}"

    def log(self, run: SubmittedRun) -> str:
        """Return what the driver of a run has printed so far."""
        with explained(self.address):
            return str(self._client.get_job_logs(run.submission))

    def follow(self, run: SubmittedRun, show: Callable[[str], None]) -> None:
        """Pass on what the driver of a run prints, from the beginning until it ends."""
        with explained(self.address):
            asyncio.run(self._follow(run, show))

    def stop(self, run: SubmittedRun) -> SubmittedRun:
        """Ask a run's driver to stop, and return the run when it has ended."""
        with explained(self.address):
            self._client.stop_job(run.submission)
        return next(state for state in self.watch(run) if state.finished)

    def watch(self, run: SubmittedRun) -> Iterator[SubmittedRun]:
        """Yield the state of a run again and again; the last one is finished."""
        while not run.finished:
            yield run
            time.sleep(LOOK_SECONDS)
            run = self._state(run)
        yield run

    def wait_until_started(self, parcel: Parcel, patience: float) -> str | None:
        """Return the line with which the driver tells that its run has begun; None where it still has not.

        Raises:
            UserError: the driver ended before: what it said.
        """
        begins = f"run {parcel.metadata[RUN_METADATA]}: "
        deadline = time.monotonic() + patience
        for state in self.watch(self._job(parcel.submission)):
            lines = self.log(state).splitlines()
            if started := [line for line in lines if line.startswith(begins)]:
                return started[0]
            if state.finished:
                raise UserError(_why_not_started(state, lines))
            if time.monotonic() > deadline:
                return None
        return None

    async def _follow(self, run: SubmittedRun, show: Callable[[str], None]) -> None:
        async for text in self._client.tail_job_logs(run.submission):
            show(text)

    def _job(self, submission: str) -> SubmittedRun:
        with explained(self.address):
            return _submitted_run(self._client.get_job_info(submission))

    def _state(self, run: SubmittedRun) -> SubmittedRun:
        return self._job(run.submission)

    def _jobs(self) -> list[SubmittedRun]:
        with explained(self.address):
            jobs = self._client.list_jobs()
        return [_submitted_run(job) for job in jobs if job.submission_id and RUN_METADATA in (job.metadata or {})]


def _submitted_run(job: JobDetails) -> SubmittedRun:
    details: Any = job
    return SubmittedRun(
        run=details.metadata[RUN_METADATA],
        name=details.metadata.get(NAME_METADATA, ""),
        submission=details.submission_id,
        state=_state_of(details),
        exit_status=details.driver_exit_code,
        started_at=datetime.fromtimestamp((details.start_time or 0) / 1000, UTC),
        message=details.message or "",
    )


def _state_of(job: Any) -> str:
    if job.status in _STATES:
        return _STATES[job.status]
    return "complete" if job.status == JobStatus.SUCCEEDED else "failed"


def _why_not_started(state: SubmittedRun, lines: list[str]) -> str:
    """Return the driver's own error line, or the nearest thing to it."""
    told = [line.removeprefix(_ERROR) for line in lines if line.startswith(_ERROR)]
    if told:
        return f"the head refuses the run: {told[-1]}"
    if state.exit_status == _COMMAND_NOT_FOUND:
        return "the head has no scc-bench on its PATH; install this version there: see docs/cluster.md"
    if any("No such command" in line for line in lines):
        return "the head has another version of scc-bench, which takes no submitted runs; install this one there"
    last = next((line for line in reversed(lines) if line.strip()), " ".join(state.message.split()))
    return f"the driver on the head ended before the run began: {last}"
