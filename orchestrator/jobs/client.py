"""A Ray head through its job API: runs are submitted to it, looked up, followed and stopped."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ray.job_submission import JobDetails, JobStatus

from orchestrator.jobs.connection import connect, errors_explained
from orchestrator.jobs.submission import NAME_METADATA, RUN_METADATA, SubmissionPackage
from orchestrator.store import is_run_id
from scc_core.errors import UserError

POLL_SECONDS = 0.5
_COMMAND_NOT_FOUND = 127
_ERROR = "error: "
_LATEST_SHOWN = 5
_STATES = {
    JobStatus.PENDING: "pending",
    JobStatus.RUNNING: "running",
    JobStatus.STOPPED: "cancelled",
    JobStatus.SUCCEEDED: "complete",
}


@dataclass(frozen=True)
class SubmittedRun:
    """A run in the state of the latest of its jobs.

    Attributes:
        run: id of the run.
        name: the grid's name.
        submission_id: of the job.
        state: ``pending``, ``running``, ``complete``, ``failed`` or ``cancelled``.
        exit_status: of the driver; None while it runs.
        started_at: when the job was sent, in UTC.
        message: Ray's own words about the job.
    """

    run: str
    name: str
    submission_id: str
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

    def submit(self, package: SubmissionPackage) -> None:
        """Start a job.

        Raises:
            UserError: the head refuses it.
        """
        with errors_explained(self.address):
            self._client.submit_job(
                entrypoint=package.entrypoint,
                submission_id=package.submission_id,
                runtime_env=dict(package.runtime_env),
                metadata=dict(package.metadata),
            )

    def runs(self) -> list[SubmittedRun]:
        """Return the runs that were submitted there, the latest first, each in the state of its latest job."""
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

    def run_to_resume(self, given: str | None) -> tuple[str, str]:
        """Return id and name of a run that another job is to resume.

        A whole id is taken as it is, and the driver looks for it in the database: the head forgets its jobs when it is
        started again, and the run may have been started by a driver on another machine.

        Raises:
            UserError: ``given`` is part of an id, and no run or several begin with it.
        """
        names = {run.run: run.name for run in self.runs()}
        if given is not None and is_run_id(given):
            return given, names.get(given, "")
        found = self.run(given)
        return found.run, found.name

    def next_submission_id(self, run: str) -> str:
        """Return an id for another job of a run; Ray takes each id once."""
        return f"{run}.{1 + sum(job.run == run for job in self._jobs())}"

    def log(self, run: SubmittedRun) -> str:
        """Return what the driver of a run has printed so far."""
        with errors_explained(self.address):
            return str(self._client.get_job_logs(run.submission_id))

    def follow(self, run: SubmittedRun, show: Callable[[str], None]) -> None:
        """Show what the driver of a run prints, from its beginning until its end."""

        async def tail() -> None:
            async for text in self._client.tail_job_logs(run.submission_id):
                show(text)

        with errors_explained(self.address):
            asyncio.run(tail())

    def stop(self, run: SubmittedRun) -> SubmittedRun:
        """Ask the driver of a run to stop, and return the run once it has ended."""
        with errors_explained(self.address):
            self._client.stop_job(run.submission_id)
        return next(state for state in self.watch(run) if state.finished)

    def watch(self, run: SubmittedRun) -> Iterator[SubmittedRun]:
        """Yield the state of a run until it is finished, twice a second."""
        while not run.finished:
            yield run
            time.sleep(POLL_SECONDS)
            run = self._job(run.submission_id)
        yield run

    def wait_until_started(self, package: SubmissionPackage, patience: float) -> str | None:
        """Return the line with which the driver says that the run has begun; None if it has not after ``patience``.

        Raises:
            UserError: the driver ended before the run began; the text is its own error.
        """
        begins = f"run {package.run}: "
        deadline = time.monotonic() + patience
        for state in self.watch(self._job(package.submission_id)):
            lines = self.log(state).splitlines()
            if started := [line for line in lines if line.startswith(begins)]:
                return started[0]
            if state.finished:
                raise UserError(_why_not_started(state, lines))
            if time.monotonic() > deadline:
                return None
        return None

    def _job(self, submission_id: str) -> SubmittedRun:
        with errors_explained(self.address):
            return _submitted_run(self._client.get_job_info(submission_id))

    def _jobs(self) -> list[SubmittedRun]:
        with errors_explained(self.address):
            jobs = self._client.list_jobs()
        return [_submitted_run(job) for job in jobs if job.submission_id and RUN_METADATA in (job.metadata or {})]


def _submitted_run(job: JobDetails) -> SubmittedRun:
    details: Any = job
    return SubmittedRun(
        run=details.metadata[RUN_METADATA],
        name=details.metadata.get(NAME_METADATA, ""),
        submission_id=details.submission_id,
        state=_STATES.get(details.status, "failed"),
        exit_status=details.driver_exit_code,
        started_at=datetime.fromtimestamp((details.start_time or 0) / 1000, UTC),
        message=details.message or "",
    )


def _why_not_started(state: SubmittedRun, lines: list[str]) -> str:
    """Return the driver's own error line, or else the most telling of what it and Ray said."""
    errors = [line.removeprefix(_ERROR) for line in lines if line.startswith(_ERROR)]
    if errors:
        return f"the head refuses the run: {errors[-1]}"
    if state.exit_status == _COMMAND_NOT_FOUND:
        return "the head has no scc-bench on its PATH; install this version there: see docs/cluster.md"
    if any("No such command" in line for line in lines):
        return "the head has another version of scc-bench, which takes no submitted runs; install this one there"
    last = next((line for line in reversed(lines) if line.strip()), " ".join(state.message.split()))
    return f"the driver on the head ended before the run began: {last}"
