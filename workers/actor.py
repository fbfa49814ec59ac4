"""The Ray actor around a :class:`~workers.bench.Bench`."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from functools import cached_property
from types import FrameType
from typing import TYPE_CHECKING, Any

import ray
from ray.actor import ActorHandle
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from workers.report import Report, WorkerInfo
from workers.shard import Shard

if TYPE_CHECKING:
    from workers.bench import Bench


@dataclass(frozen=True)
class WorkerResources:
    """What one actor requests from Ray, and how it uses it.

    Attributes:
        num_cpus: cores, possibly a fraction.
        num_gpus: GPUs, possibly a fraction; 0 computes on the CPU.
        batch_size: images at a time; None finds the best size.
        threads: CPU threads of the process.
        node: id of the node to run on; None takes any, and makes an autoscaler add one where none has room.
    """

    num_cpus: float
    num_gpus: float
    batch_size: int | None = None
    threads: int = 1
    node: str | None = None


class BenchWorker:
    """Keeps a model on its device and measures shards; it holds no database credentials.

    SIGTERM, which the processes of a machine get before it is taken away, drains the worker: it finishes the blocks at
    hand and begins no others.
    """

    def __init__(self, resources: WorkerResources) -> None:
        self._resources = resources
        self._busy = False
        self._default_handler = signal.signal(signal.SIGTERM, self._drain)

    def placed(self) -> None:
        """Return at once: the answer tells the driver that the worker has a place."""

    def ready(self) -> WorkerInfo:
        """Load the libraries, and return who the worker is."""
        return self._bench.info()

    @cached_property
    def _bench(self) -> Bench:
        # Imported here, so that the driver creates actors without importing torch and open_clip.
        from workers.bench import Bench

        resources = self._resources
        device = "cuda" if resources.num_gpus else "cpu"
        memory_fraction = resources.num_gpus if 0 < resources.num_gpus < 1 else 1.0
        return Bench(device, resources.batch_size, threads=resources.threads, memory_fraction=memory_fraction)

    def run(self, shard: Shard, batch_size: int | None = None) -> Report:
        """Measure a shard."""
        self._busy = True
        try:
            return self._bench.run(shard, batch_size)
        finally:
            self._busy = False

    def _drain(self, number: int, frame: FrameType | None) -> None:
        if self._busy:
            self._bench.drain()
        elif callable(self._default_handler):
            self._default_handler(number, frame)


WorkerHandle = ActorHandle[Any]


def start_worker(resources: WorkerResources) -> WorkerHandle:
    """Start an actor; Ray neither restarts it nor retries its tasks, because the driver does both."""
    place: Any = "DEFAULT" if resources.node is None else NodeAffinitySchedulingStrategy(resources.node, soft=False)
    handle: WorkerHandle = _ACTOR.options(
        num_cpus=resources.num_cpus,
        num_gpus=resources.num_gpus,
        max_restarts=0,
        max_task_retries=0,
        scheduling_strategy=place,
    ).remote(resources)
    return handle


_ACTOR: Any = ray.remote(BenchWorker)
