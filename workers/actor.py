"""The Ray actor around a :class:`~workers.bench.Bench`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ray
from ray.actor import ActorHandle

from scc_core.measurement import Measurement
from workers.shard import Shard


@dataclass(frozen=True)
class WorkerResources:
    """What one actor asks of Ray.

    Attributes:
        num_cpus: cores, which are also its threads.
        num_gpus: GPUs, possibly a fraction; 0 computes on the CPU.
        batch_size: None takes the device's default.
    """

    num_cpus: int
    num_gpus: float
    batch_size: int | None = None


class BenchWorker:
    """Keeps a model on its device and measures shards; holds no database credentials."""

    def __init__(self, resources: WorkerResources) -> None:
        # Imported here, so that the driver creates actors without importing torch's and open_clip's machinery.
        from workers.bench import Bench

        device = "cuda" if resources.num_gpus else "cpu"
        self._bench = Bench(device, resources.batch_size, threads=resources.num_cpus)

    def run(self, shard: Shard) -> Measurement:
        """Measure a shard."""
        return self._bench.run(shard)


WorkerHandle = ActorHandle[Any]


def start_worker(resources: WorkerResources) -> WorkerHandle:
    """Start an actor; Ray neither restarts it nor repeats its tasks, because the driver does both."""
    actor_class: Any = ray.remote(
        num_cpus=resources.num_cpus, num_gpus=resources.num_gpus, max_restarts=0, max_task_retries=0
    )(BenchWorker)
    handle: WorkerHandle = actor_class.remote(resources)
    return handle
