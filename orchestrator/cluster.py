"""Ray: a local instance by default, an existing cluster on request."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import ray

from orchestrator.pool import available_cpus
from scc_core.errors import UserError

_LOCAL_OBJECT_STORE = 100 * 2**20
_CONNECT_SECONDS = 5.0


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
