"""How the scheduler starts workers, gives them shards and gets their reports: a protocol, and Ray's implementation."""

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
from workers.report import Place, Report, WorkerInfo
from workers.shard import Shard

_RESULT_SECONDS = 60.0
"""How long Ray may take to transfer a result that is ready."""


class ClusterError(SccBenchError):
    """A run cannot go on: its workers die one after another, or its cluster is gone. What was measured is kept."""


class WorkerLostError(SccBenchError):
    """A worker died and answers no more calls.

    Attributes:
        out_of_memory: whether the host killed it for its memory.
    """

    def __init__(self, reason: str, *, out_of_memory: bool = False) -> None:
        super().__init__(reason)
        self.out_of_memory = out_of_memory


class AttemptFailedError(SccBenchError):
    """A call raised although its worker lives."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.error)
        self.failure = failure


class Executor(Protocol):
    """Starts workers, submits shards to them and waits for the results.

    A handle stands for a worker and a future for the result of a call; only the executor looks inside them.
    """

    def start_worker(self, resources: WorkerResources) -> Any:
        """Request a worker and return its handle at once; the cluster may take long to place it."""

    def placed(self, handle: Any) -> Any:
        """Return a future of the worker's :class:`Place`; it is done when the worker has a place in the cluster."""

    def ready(self, handle: Any) -> Any:
        """Return a future of the worker's :class:`WorkerInfo`; it is done when the worker takes shards."""

    def submit(self, handle: Any, shard: Shard) -> Any:
        """Return a future of the worker's :class:`Report` on a shard."""

    def wait(self, futures: Sequence[Any], seconds: float) -> Sequence[Any]:
        """Return the futures that are done, as soon as there is one, or none after ``seconds``."""

    def result(self, future: Any) -> Place | WorkerInfo | Report:
        """Return the result of a future that :meth:`wait` returned.

        Raises:
            WorkerLostError: the worker died.
            AttemptFailedError: the call raised.
        """

    def stop_worker(self, handle: Any) -> None:
        """End a worker at once, whatever it does, or withdraw the request for it."""


class RayExecutor:
    """Workers that are Ray actors."""

    def start_worker(self, resources: WorkerResources) -> Any:
        """Request an actor."""
        return start_worker(resources)

    def placed(self, handle: Any) -> Any:
        """Call the actor."""
        return handle.placed.remote()

    def ready(self, handle: Any) -> Any:
        """Call the actor."""
        return handle.ready.remote()

    def submit(self, handle: Any, shard: Shard) -> Any:
        """Call the actor."""
        return handle.run.remote(shard)

    def wait(self, futures: Sequence[Any], seconds: float) -> Sequence[Any]:
        """Wait for one future, then return all that are done, so that one slow write does not become many."""
        if not futures:
            time.sleep(seconds)
            return []
        done, _ = ray.wait(list(futures), num_returns=1, timeout=seconds)
        if done:
            done, _ = ray.wait(list(futures), num_returns=len(futures), timeout=0)
        return list(done)

    def result(self, future: Any) -> Place | WorkerInfo | Report:
        """Get the result from Ray's object store."""
        try:
            result = ray.get(future, timeout=_RESULT_SECONDS)
        except OutOfMemoryError as error:
            # Ray's report of an out-of-memory kill fills pages; its first line names the process and the reason.
            raise WorkerLostError(str(error).partition("\n")[0], out_of_memory=True) from None
        except RayTaskError as error:
            raise AttemptFailedError(Failure.of(error)) from None
        except RayError as error:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            raise WorkerLostError(lines[-1] if lines else "no reason given") from None
        if isinstance(result, tuple):
            return Place(*result)
        assert isinstance(result, WorkerInfo | Report)
        return result

    def stop_worker(self, handle: Any) -> None:
        """Kill the actor; where the cluster cannot be reached, the actor ends with the driver."""
        with suppress(ConnectionError):
            ray.kill(handle)
