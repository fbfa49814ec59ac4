"""The connection to Ray: a local instance by default, an existing cluster on request."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import ray
from ray.exceptions import RayError

from orchestrator.cluster.address_check import TOKEN_HINT, check_cluster
from orchestrator.cluster.capacity import available_cpus
from orchestrator.store import NO_SECRETS, hidden_secrets
from scc_core.errors import UserError

_LOCAL_OBJECT_STORE = 100 * 2**20


@contextmanager
def ray_session(address: str | None) -> Iterator[None]:
    """Start a local Ray, or connect to the cluster at ``address`` (``auto``, ``HOST:PORT`` or ``ray://HOST:PORT``).

    Raises:
        UserError: nothing answers at the address, or it is no Ray of this version that takes this user's token.
    """
    if address in (None, "local"):
        # Ray's processes are children of this one, and every worker is a child of theirs: they inherit no secret.
        with hidden_secrets():
            ray.init(
                address="local",
                num_cpus=available_cpus(),
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                object_store_memory=_LOCAL_OBJECT_STORE,
            )
    else:
        _connect(address)
    try:
        yield
    finally:
        ray.shutdown()


def _connect(address: str) -> None:
    if address != "auto":
        check_cluster(address)
    try:
        ray.init(
            address=address, log_to_driver=False, logging_level=logging.ERROR, runtime_env={"env_vars": NO_SECRETS}
        )
    except (ConnectionError, RuntimeError, ValueError, RayError) as error:
        message = " ".join(str(error).split())
        if "Version mismatch" in message:
            raise UserError(
                f"the cluster at {address!r} is of another version: {message}; install here what the cluster runs"
            ) from None
        if "oken" in message:
            raise UserError(f"the Ray cluster at {address!r} refuses this machine's token: {TOKEN_HINT}") from None
        reason = message.partition(". ")[0]
        raise UserError(f"no Ray cluster answers at {address!r}: {reason}; start one with `ray start --head`") from None
