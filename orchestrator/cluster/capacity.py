"""The pool: what a run may take of a cluster, which nodes join and leave."""

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
    """A living node of the cluster and what it offers in all."""

    id: str
    cpus: float
    gpus: float


@dataclass(frozen=True)
class Seats:
    """Room for workers of one kind.

    Attributes:
        kind: ``gpu``, ``cpu``, or one node's name for workers that are bound to it.
        count: how many the nodes of the cluster hold in all.
        resources: what each asks of Ray.
    """

    kind: str
    count: int
    resources: WorkerResources


@dataclass
class Pool:
    """How many workers of which kind a run may have.

    Args:
        options: what the user wants.
        grows: whether nodes may join; then workers are also asked for beyond what there is room for, which makes an
            autoscaler add nodes.
        nodes: gives the living nodes.
    """

    options: RunOptions
    grows: bool
    nodes: Callable[[], Sequence[Node]] = field(default_factory=lambda: living_nodes)
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._read_at = self.clock()
        self._seats = _seats(self.options, self.nodes())

    @property
    def limit(self) -> float:
        """Workers at most."""
        return float("inf") if self.options.num_workers is None else self.options.num_workers

    def seats(self) -> Sequence[Seats]:
        """Return room by kind; the first kind is the one to ask for more of. Reads the cluster every few seconds."""
        if self.clock() - self._read_at >= _REFRESH_SECONDS:
            self._read_at = self.clock()
            self._seats = _seats(self.options, self.nodes())
        return self._seats


def make_pool(options: RunOptions) -> Pool:
    """Return the pool of the connected cluster.

    Raises:
        UserError: the cluster lacks what is asked for.
    """
    nodes = living_nodes()
    _check(options, nodes)
    return Pool(options, grows=options.address is not None)


def living_nodes() -> list[Node]:
    """Return the living nodes of the connected cluster."""
    alive = [node for node in ray.nodes() if node["Alive"]]
    return [
        Node(node["NodeID"], node["Resources"].get("CPU", 0.0), node["Resources"].get("GPU", 0.0)) for node in alive
    ]


def available_cpus() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check(options: RunOptions, nodes: Sequence[Node]) -> None:
    share = options.gpus_per_worker
    if share <= 0 or (share > 1 and share != int(share)):
        raise UserError(f"--gpus-per-worker is {share:g}; it is a fraction of one GPU or a whole number of them")
    cpus, gpus = sum(node.cpus for node in nodes), sum(node.gpus for node in nodes)
    there = f"{len(nodes)} nodes with {cpus:g} CPU cores and {gpus:g} GPUs"
    # A cluster that offers nothing is one whose autoscaler has not been asked yet.
    empty = options.address is not None and not cpus and not gpus
    if options.devices in (Devices.GPU, Devices.ALL) and not gpus and not empty:
        raise UserError(f"--devices {options.devices} needs a GPU, but the Ray cluster has {there}: take --devices cpu")
    if gpus and options.devices != Devices.CPU and not _gpu_seats(options, nodes).count:
        raise UserError(f"--gpus-per-worker {share:g} is more than any node has; the Ray cluster has {there}")
    if options.address is None:
        _check_fits(options, nodes)


def _check_fits(options: RunOptions, nodes: Sequence[Node]) -> None:
    """Refuse more workers than a machine has devices: it will never have more."""
    most = sum(seats.count for seats in _seats(options, nodes))
    if not most:
        raise UserError("this machine offers neither a GPU nor a CPU core to Ray")
    if options.num_workers is not None and options.num_workers > most:
        device = "CPU core" if _seats(options, nodes)[0].kind == "cpu" else "GPU"
        raise UserError(
            f"--workers {options.num_workers} is more than the cluster has: {most} {device}{'s' * (most > 1)}"
        )


def _seats(options: RunOptions, nodes: Sequence[Node]) -> list[Seats]:
    has_gpus = any(node.gpus for node in nodes)
    has_cpus = any(node.cpus for node in nodes)
    if options.devices == Devices.CPU or (options.devices == Devices.AUTO and has_cpus and not has_gpus):
        return [_cpu_seats(options, nodes)]
    bound = [_bound_seats(options, node) for node in nodes if node.cpus and not node.gpus]
    return [_gpu_seats(options, nodes), *(bound if options.devices == Devices.ALL else [])]


def _gpu_seats(options: RunOptions, nodes: Sequence[Node]) -> Seats:
    held = [(node, _places(node.gpus, options.gpus_per_worker)) for node in nodes]
    cores = [node.cpus / places for node, places in held if places]
    # A worker asks for little CPU, so that it also fits nodes that join later; it uses its share of the cores.
    resources = WorkerResources(
        num_cpus=min([1.0, *cores]),
        num_gpus=options.gpus_per_worker,
        batch_size=options.batch_size,
        threads=max(1, int(min(cores, default=1.0))),
    )
    return Seats("gpu", sum(places for _, places in held), resources)


def _places(gpus: float, share: float) -> int:
    """Return how many workers the GPUs of a node hold; a worker's share is of one GPU."""
    return int(gpus) * int(1 / share + 1e-9) if share <= 1 else int(gpus // share)


def _cpu_seats(options: RunOptions, nodes: Sequence[Node]) -> Seats:
    """Fewer workers than cores get more threads each, as far as one node goes."""
    cores = [int(node.cpus) for node in nodes]
    share = sum(cores) // options.num_workers if options.num_workers else 1
    threads = max(1, min(share, max(cores, default=1)))
    resources = WorkerResources(float(threads), 0.0, options.batch_size, threads)
    return Seats("cpu", sum(count // threads for count in cores), resources)


def _bound_seats(options: RunOptions, node: Node) -> Seats:
    """One worker that takes a whole node without GPUs, and never the cores beside a GPU."""
    threads = max(1, int(node.cpus))
    return Seats(node.id, 1, WorkerResources(node.cpus, 0.0, options.batch_size, threads, node.id))
