"""Ray: a local instance by default, an existing cluster on request, and what it offers."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import ray

from scc_core.errors import UserError
from workers.actor import WorkerResources

_LOCAL_OBJECT_STORE = 100 * 2**20
_CONNECT_SECONDS = 5.0


@dataclass(frozen=True)
class Pool:
    """How a run uses the cluster.

    Attributes:
        num_workers: actors at most.
        resources: what each asks for.
    """

    num_workers: int
    resources: WorkerResources


@contextmanager
def ray_session(address: str | None) -> Iterator[None]:
    """Start a local Ray, or connect to the cluster at ``address`` (``auto``, ``HOST:PORT`` or ``ray://HOST:PORT``).

    Raises:
        UserError: nothing answers at the address.
    """
    _connect(address)
    try:
        yield
    finally:
        ray.shutdown()


def _connect(address: str | None) -> None:
    if address is None:
        ray.init(
            address="local",
            num_cpus=available_cpus(),
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            object_store_memory=_LOCAL_OBJECT_STORE,
        )
        return
    _check_answers(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"no Ray cluster answers at {address!r}: {reason}; start one with `ray start --head`, or, "
            "if it wants a token, set RAY_AUTH_TOKEN"
        ) from None


def _check_answers(address: str) -> None:
    """Try the TCP port first: Ray itself retries a dead address for minutes."""
    host, separator, port = address.removeprefix("ray://").rpartition(":")
    if address in ("auto", "local"):
        return
    if not separator or not port.isdigit():
        raise UserError(f"the Ray address {address!r} is none of auto, HOST:PORT and ray://HOST:PORT")
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise UserError(f"no Ray cluster answers at {address!r}: {error}; start one with `ray start --head`") from None


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
