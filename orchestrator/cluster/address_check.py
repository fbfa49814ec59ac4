"""Checks what answers at an address before Ray connects to it, because Ray retries a wrong address for minutes."""

from __future__ import annotations

import json
import platform
import socket
from contextlib import closing
from typing import Any

import grpc
import ray
from ray._private.grpc_utils import init_grpc_channel
from ray.core.generated import gcs_service_pb2, gcs_service_pb2_grpc, ray_client_pb2, ray_client_pb2_grpc
from ray.exceptions import AuthenticationError

from scc_core.errors import UserError

CLIENT_SCHEME = "ray://"
PATIENCE_SECONDS = 5.0
TOKEN_HINT = "set RAY_AUTH_TOKEN, or save the cluster's token as ~/.ray/auth_token"
# The modules that Ray generates have no types.
_gcs: Any = gcs_service_pb2
_client: Any = ray_client_pb2
_METADATA = _gcs.InternalKVGetRequest(namespace=b"cluster", key=b"CLUSTER_METADATA")
_PING = _client.ClusterInfoRequest(type=_client.ClusterInfoType.PING)


def check_cluster(address: str) -> None:
    """Check that a Ray of this version answers at ``HOST:PORT`` or ``ray://HOST:PORT`` and takes this user's token.

    Raises:
        UserError: nothing answers, what answers is no Ray, the versions differ, or the token is wrong.
    """
    host_and_port = address.removeprefix(CLIENT_SCHEME)
    _check_port(address, host_and_port)
    try:
        with closing(init_grpc_channel(host_and_port, options=(), asynchronous=False)) as channel:
            grpc.channel_ready_future(channel).result(timeout=PATIENCE_SECONDS)
            if address.startswith(CLIENT_SCHEME):
                ray_client_pb2_grpc.RayletDriverStub(channel).ClusterInfo(_PING, timeout=PATIENCE_SECONDS)
            else:
                kv = gcs_service_pb2_grpc.InternalKVGcsServiceStub(channel)
                cluster = json.loads(kv.InternalKVGet(_METADATA, timeout=PATIENCE_SECONDS).value)
                check_versions(address, {"Ray": cluster["ray_version"], "Python": cluster["python_version"]})
    except AuthenticationError:
        raise UserError(f"the Ray cluster at {address!r} asks for a token: {TOKEN_HINT}") from None
    except grpc.FutureTimeoutError:
        raise _not_ray(address) from None
    except grpc.RpcError as error:
        code = error.code() if isinstance(error, grpc.Call) else None
        if code is grpc.StatusCode.UNAUTHENTICATED:
            raise UserError(f"the Ray cluster at {address!r} refuses this machine's token: {TOKEN_HINT}") from None
        raise _not_ray(address) from None


def check_versions(address: str, cluster: dict[str, str]) -> None:
    """Refuse a cluster of another Ray or Python, because one of them pickles what the other reads.

    Args:
        address: of the cluster, for the error.
        cluster: the versions of ``Ray`` and ``Python`` there.

    Raises:
        UserError: a version differs from that of this process.
    """
    here = {"Ray": ray.__version__, "Python": platform.python_version()}
    differing = [name for name, version in cluster.items() if version != here[name]]
    if differing:
        there = " and ".join(f"{name} {cluster[name]}" for name in differing)
        ours = " and ".join(f"{name} {here[name]}" for name in differing)
        raise UserError(
            f"the cluster at {address!r} runs {there}, this machine {ours}; "
            "install here what the cluster runs, or the other way round"
        )


def _check_port(address: str, host_and_port: str) -> None:
    host, separator, port = host_and_port.rpartition(":")
    if not separator or not host or not port.isdigit():
        raise UserError(f"the Ray address {address!r} is none of auto, HOST:PORT and ray://HOST:PORT")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise UserError(f"no Ray cluster answers at {address!r}: {error}; start one with `ray start --head`") from None


def _not_ray(address: str) -> UserError:
    return UserError(
        f"what answers at {address!r} is not a Ray head: give the head's own port (6379 by default), ray:// with its "
        "client port (10001), or send the grid to its job API with `sccbench submit --address http://HOST:8265`"
    )
