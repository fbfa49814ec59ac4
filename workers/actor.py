"""The Ray actor around a :class:`~workers.bench.Bench`."""

from __future__ import annotations

import signal
import socket
import sys
from dataclasses import dataclass
from importlib import metadata
from types import FrameType
from typing import TYPE_CHECKING, Any

import ray
import ray.cloudpickle
from ray.actor import ActorHandle
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from scc_core.machine.packages import plugin_folders

if TYPE_CHECKING:
    from workers.bench import Bench
    from workers.report import Report, WorkerInfo
    from workers.shard import Shard


@dataclass(frozen=True)
class WorkerResources:
    """What one actor requests from Ray, and how it uses it.

    Attributes:
        num_cpus: cores, possibly a fraction.
        num_gpus: GPUs, possibly a fraction; 0 computes on the CPU.
        batch_size: images computed together at most on a GPU; None for a block.
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

    SIGTERM, which the processes of a machine get before it is taken away, drains the worker: it finishes the blocks
    that it is measuring and begins no others.
    """

    def __init__(self, plugin_folders: tuple[str, ...], num_gpus: float, batch_size: int | None, threads: int) -> None:
        # Plain values alone: unpickling an object of this project would import its class before the path is set.
        # Ray puts the driver's folders first, where a user's package may have the name of one of this project's.
        for folder in plugin_folders:
            if folder in sys.path:
                sys.path.remove(folder)
                sys.path.append(folder)
        self._num_gpus, self._batch_size, self._threads = num_gpus, batch_size, threads
        self._busy = False
        self._default_handler = signal.signal(signal.SIGTERM, self._drain)
        self._made: Bench | None = None

    def placed(self) -> tuple[str, str | None, str | None]:
        """Return a :class:`~workers.report.Place` as plain values, before anything is loaded that computes.

        This is code of the driver. What lies on the node may be of any version, so that a class of it, or a call of it
        with today's arguments, may not exist.
        """
        try:
            from scc_core.machine.code import code_digest

            code = code_digest()
        except ImportError:
            code = None
        try:
            version = metadata.version("scc-bench")
        except metadata.PackageNotFoundError:
            version = None
        context = ray.get_runtime_context()
        address = ray.util.get_node_ip_address()
        return f"{socket.gethostname()} ({address}, id {context.get_node_id()[:12]})", version, code

    def ready(self) -> WorkerInfo:
        """Load the libraries, and return who the worker is."""
        return self._bench.info()

    @property
    def _bench(self) -> Bench:
        if self._made is None:
            # Imported here, so that the driver creates actors without importing torch and open_clip.
            from scc_core.blocks import BLOCK_SIZE
            from workers.bench import Bench

            device = "cuda" if self._num_gpus else "cpu"
            memory_fraction = self._num_gpus if 0 < self._num_gpus < 1 else 1.0
            # A CPU has the memory for its few images.
            batch_size = min(self._batch_size, BLOCK_SIZE) if self._batch_size and self._num_gpus else None
            self._made = Bench(device, batch_size, threads=self._threads, memory_fraction=memory_fraction)
        return self._made

    def run(self, shard: Shard) -> Report:
        """Measure a shard."""
        self._busy = True
        try:
            return self._bench.run(shard)
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
    ).remote(plugin_folders(), resources.num_gpus, resources.batch_size, resources.threads)
    return handle


# Sent by value: by name, a worker would look for this package before the constructor has settled where it lies.
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
_ACTOR: Any = ray.remote(BenchWorker)
