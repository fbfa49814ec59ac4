"""The pool: how a run uses what the cluster offers."""

from __future__ import annotations

import os
from dataclasses import dataclass

import ray

from scc_core.errors import UserError
from workers.actor import WorkerResources


@dataclass(frozen=True)
class Pool:
    """How a run uses the cluster.

    Attributes:
        num_workers: actors at most.
        resources: what each asks for.
    """

    num_workers: int
    resources: WorkerResources


def available_cpus() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def make_pool(num_workers: int | None, batch_size: int | None) -> Pool:
    """Share the connected cluster out: one actor per GPU, or, where there are none, one per CPU core.

    Args:
        num_workers: None takes all there is; fewer workers on CPUs get more threads each.
        batch_size: None takes the device's default.

    Raises:
        UserError: more workers are asked for than the cluster has devices for.
    """
    offered: dict[str, float] = ray.cluster_resources()
    cpus, gpus = int(offered.get("CPU", 0)), int(offered.get("GPU", 0))
    device, most = ("GPU", gpus) if gpus else ("CPU core", cpus)
    if most < 1:
        raise UserError("the Ray cluster offers neither a GPU nor a CPU core")
    workers = most if num_workers is None else num_workers
    if workers > most:
        raise UserError(f"--workers {workers} is more than the cluster has: {most} {device}{'s' * (most > 1)}")
    threads = max(1, cpus // workers)
    return Pool(workers, WorkerResources(num_cpus=threads, num_gpus=1.0 if gpus else 0.0, batch_size=batch_size))
