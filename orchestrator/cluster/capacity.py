"""How many workers of which kind the nodes of a cluster have slots for, while nodes join and leave."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import ray

from orchestrator.cluster.options import Devices, RunOptions
from scc_core.errors import UserError
from workers.actor import WorkerResources

_REFRESH_SECONDS = 5.0


@dataclass(frozen=True)
class Node:
    """A living node of the cluster and its total resources."""

    id: str
    cpus: float
    gpus: float


@dataclass(frozen=True)
class Slots:
    """Places for workers of one kind.

    Attributes:
        kind: ``gpu``, ``cpu``, or the id of the node to which the worker is bound.
        count: how many workers of the kind the nodes of the cluster hold in total.
        resources: what each worker requests from Ray.
    """

    kind: str
    count: int
    resources: WorkerResources


@dataclass
class ClusterCapacity:
    """How many workers of which kind a run may have.

    Args:
        options: of the run.
        can_grow: whether nodes may join; then a run also requests workers beyond the slots, which makes an autoscaler
            add nodes.
        nodes: returns the living nodes.
        clock: in seconds.
        cpu_threads: threads of a worker on CPU cores.
    """

    options: RunOptions
    can_grow: bool
    nodes: Callable[[], Sequence[Node]] = field(default_factory=lambda: living_nodes)
    clock: Callable[[], float] = time.monotonic
    cpu_threads: int = 1

    def __post_init__(self) -> None:
        self._read_at = self.clock()
        self._slots = _slots(self.options, self.nodes(), self.cpu_threads)

    @property
    def max_workers(self) -> float:
        """Workers at most."""
        return float("inf") if self.options.num_workers is None else self.options.num_workers

    def slots(self) -> Sequence[Slots]:
        """Return the slots by kind; a run grows by the first kind. The nodes are read again every few seconds."""
        if self.clock() - self._read_at >= _REFRESH_SECONDS:
            self._read_at = self.clock()
            self._slots = _slots(self.options, self.nodes(), self.cpu_threads)
        return self._slots


def cluster_capacity(options: RunOptions, cpu_threads: int = 1) -> ClusterCapacity:
    """Return the capacity of the connected cluster.

    Args:
        options: of the run.
        cpu_threads: threads of a worker on CPU cores.

    Raises:
        UserError: the cluster lacks what the options ask for.
    """
    nodes = living_nodes()
    gpus_per_worker = options.gpus_per_worker
    cpus, gpus = sum(node.cpus for node in nodes), sum(node.gpus for node in nodes)
    existing = f"{len(nodes)} nodes with {cpus:g} CPU cores and {gpus:g} GPUs"
    # A cluster without any resources has an autoscaler, which adds nodes once workers are requested.
    unscaled = options.address is not None and not cpus and not gpus
    if options.devices in (Devices.GPU, Devices.ALL) and not gpus and not unscaled:
        raise UserError(
            f"--devices {options.devices} needs a GPU, but the Ray cluster has {existing}: take --devices cpu"
        )
    if gpus and options.devices != Devices.CPU and not _gpu_slots(options, nodes).count:
        raise UserError(
            f"--gpus-per-worker {gpus_per_worker:g} is more than any node has; the Ray cluster has {existing}"
        )
    if options.address is None:
        _check_fits_this_machine(options, nodes, cpu_threads)
    return ClusterCapacity(options, can_grow=options.address is not None, cpu_threads=cpu_threads)


def living_nodes() -> list[Node]:
    """Return the living nodes of the connected cluster."""
    alive = [node for node in ray.nodes() if node["Alive"]]
    return [
        Node(node["NodeID"], node["Resources"].get("CPU", 0.0), node["Resources"].get("GPU", 0.0)) for node in alive
    ]


def available_cpus() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check_fits_this_machine(options: RunOptions, nodes: Sequence[Node], cpu_threads: int) -> None:
    """Refuse more workers than one machine has devices: unlike a cluster, it never gets more."""
    slots = _slots(options, nodes, cpu_threads)
    most = sum(one.count for one in slots)
    cores = int(sum(node.cpus for node in nodes))
    if not most and cores:
        raise UserError(f"cpu_threads is {cpu_threads}, but this machine offers {cores} CPU cores")
    if not most:
        raise UserError("this machine offers neither a GPU nor a CPU core to Ray")
    if options.num_workers is not None and options.num_workers > most:
        device = "GPU" if slots[0].kind == "gpu" else "CPU core" if cpu_threads == 1 else "slot"
        threads = f" of {cpu_threads} threads" if device == "slot" else ""
        raise UserError(
            f"--workers {options.num_workers} is more than the cluster has: {most} {device}{'s' * (most > 1)}{threads}"
        )


def _slots(options: RunOptions, nodes: Sequence[Node], cpu_threads: int) -> list[Slots]:
    """Return the slots for workers on GPUs or on CPU cores; for ``--devices all`` also those of nodes without GPUs."""
    has_gpus = any(node.gpus for node in nodes)
    has_cpus = any(node.cpus for node in nodes)
    if options.devices == Devices.CPU or (options.devices == Devices.AUTO and has_cpus and not has_gpus):
        return [_cpu_slots("cpu", options, nodes, cpu_threads)]
    slots = [_gpu_slots(options, nodes)]
    for node in nodes:
        if options.devices == Devices.ALL and node.cpus and not node.gpus:
            # Its workers are bound to the node, so that they never take the cores beside a GPU.
            slots.append(_cpu_slots(node.id, options, [node], cpu_threads, node.id))
    return slots


def _gpu_slots(options: RunOptions, nodes: Sequence[Node]) -> Slots:
    """Return the slots on GPUs; a worker that takes a fraction of a GPU takes it of one GPU."""
    size = options.gpus_per_worker
    per_node = [int(node.gpus) * int(1 / size + 1e-9) if size <= 1 else int(node.gpus // size) for node in nodes]
    cores = [node.cpus / count for node, count in zip(nodes, per_node, strict=True) if count]
    # A worker requests little CPU, so that it also fits nodes that join later; it computes on its part of the cores.
    resources = WorkerResources(
        num_cpus=min([1.0, *cores]),
        num_gpus=size,
        batch_size=options.batch_size,
        threads=max(1, int(min(cores, default=1.0))),
    )
    return Slots("gpu", sum(per_node), resources)


def _cpu_slots(kind: str, options: RunOptions, nodes: Sequence[Node], threads: int, node: str | None = None) -> Slots:
    """Return the slots on CPU cores, all with the same threads: they decide how a CPU rounds."""
    resources = WorkerResources(float(threads), 0.0, options.batch_size, threads, node)
    return Slots(kind, sum(int(node.cpus) // threads for node in nodes), resources)
