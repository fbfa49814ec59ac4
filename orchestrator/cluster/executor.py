"""The workers as the schedule sees them, and how Ray provides them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Protocol

import ray
from ray.exceptions import OutOfMemoryError, RayError, RayTaskError

from scc_core.errors import SccBenchError
from scc_core.outcomes import Failure
from workers.actor import WorkerResources, start_worker
from workers.report import Introduction, Report
from workers.shard import Shard

_FETCH_SECONDS = 60.0


class ScheduleError(SccBenchError):
    """A run cannot go on: its workers die, or its cluster is gone. What was measured stands."""


class WorkerLostError(SccBenchError):
    """A worker will not answer again.

    Attributes:
        out_of_memory: whether the host killed it for its memory.
    """

    def __init__(self, reason: str, *, out_of_memory: bool = False) -> None:
        super().__init__(reason)
        self.out_of_memory = out_of_memory


class CallFailedError(SccBenchError):
    """A call failed although its worker lives."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.error)
        self.failure = failure


class Crew(Protocol):
    """Starts workers, hands them shards and waits for answers; a handle and a ticket mean something to it alone."""

    def start(self, resources: WorkerResources) -> Any:
        """Ask for a worker and return its handle at once; it may take long until there is room for it."""

    def arrive(self, handle: Any) -> Any:
        """Return the ticket that is answered with None when the worker has got a place."""

    def introduce(self, handle: Any) -> Any:
        """Return the ticket for an :class:`Introduction`, which comes when the worker is ready."""

    def run(self, handle: Any, shard: Shard, batch_size: int | None) -> Any:
        """Return the ticket for the :class:`Report` on a shard."""

    def wait(self, tickets: Sequence[Any], seconds: float) -> Sequence[Any]:
        """Return the tickets that are answered, as soon as there is one, or none after ``seconds``."""

    def answer(self, ticket: Any) -> Introduction | Report | None:
        """Return the answer of a ticket that :meth:`wait` returned.

        Raises:
            WorkerLostError: the worker is gone.
            CallFailedError: the call raised.
        """

    def stop(self, handle: Any) -> None:
        """End a worker at once, whatever it does, or take back the wish for one."""


class RayCrew:
    """Workers that are Ray's actors."""

    def start(self, resources: WorkerResources) -> Any:
        """Ask Ray for an actor."""
        return start_worker(resources)

    def arrive(self, handle: Any) -> Any:
        """Call the actor."""
        return handle.arrive.remote()

    def introduce(self, handle: Any) -> Any:
        """Call the actor."""
        return handle.introduce.remote()

    def run(self, handle: Any, shard: Shard, batch_size: int | None) -> Any:
        """Call the actor."""
        return handle.run.remote(shard, batch_size)

    def wait(self, tickets: Sequence[Any], seconds: float) -> Sequence[Any]:
        """Wait for one, then return all that are ready by then, so that one slow write does not become many."""
        if not tickets:
            time.sleep(seconds)
            return []
        ready, _ = ray.wait(list(tickets), num_returns=1, timeout=seconds)
        if ready:
            ready, _ = ray.wait(list(tickets), num_returns=len(tickets), timeout=0)
        return list(ready)

    def answer(self, ticket: Any) -> Introduction | Report | None:
        """Fetch a result that is ready."""
        try:
            answer: Introduction | Report | None = ray.get(ticket, timeout=_FETCH_SECONDS)
        except OutOfMemoryError as error:
            # Ray's report of an out-of-memory kill fills pages; its first line says who was killed and why.
            raise WorkerLostError(str(error).partition("\n")[0], out_of_memory=True) from None
        except RayTaskError as error:
            raise CallFailedError(Failure.of(error)) from None
        except RayError as error:
            raise WorkerLostError(_last_line(str(error))) from None
        return answer

    def stop(self, handle: Any) -> None:
        """Kill the actor; where the cluster cannot be reached it ends with the driver."""
        with suppress(ConnectionError):
            ray.kill(handle)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"
