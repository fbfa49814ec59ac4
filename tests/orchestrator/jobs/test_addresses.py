"""Addresses that answer but are not what was meant: one line each, in bounded time."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from orchestrator.cluster import address_check
from orchestrator.cluster.address_check import check_cluster, check_versions
from orchestrator.jobs import connection
from orchestrator.jobs.connection import connect
from scc_core.errors import UserError
from tests.orchestrator.console import sccbench, write_grid
from tests.orchestrator.jobs.ray_head import start_head

CLIENT_ATTEMPTS = 3
"""Ray's proxy now and then fails to start the server of a client, which has nothing to do with versions."""
OTHER_VERSIONS = """
import ray
import ray._private.utils

ray.__version__ = "2.1.0"
ray._private.utils.compute_version_info = lambda: ("2.1.0", "3.9.1")
"""
"""What a head of another version stores of itself, in a head of this one."""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch) -> None:
    """What never answers as Ray does is waited for in vain, however long."""
    for module in (address_check, connection):
        monkeypatch.setattr(module, "PATIENCE_SECONDS", 1.0)


@pytest.fixture(scope="module")
def web_server() -> Iterator[str]:
    """A plain web server, as somebody's notebook or proxy is."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def silent_server() -> Iterator[str]:
    """Something that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_a_web_server_is_no_cluster(web_server, scheme):
    with pytest.raises(
        UserError, match=f"what answers at '{scheme}{web_server}' is not a Ray head: give the head's own"
    ):
        check_cluster(f"{scheme}{web_server}")


def test_a_web_server_has_no_job_api(web_server):
    with pytest.raises(
        UserError, match=f"what answers at http://{web_server} is not Ray's job API; give http://HOST:PORT"
    ):
        connect(f"http://{web_server}")


def test_a_silent_server_is_given_up(silent_server):
    with pytest.raises(UserError, match=r"no job API answers at .*: timed out"):
        connect(f"http://{silent_server}")
    with pytest.raises(UserError, match="is not a Ray head"):
        check_cluster(silent_server)


@pytest.mark.parametrize("address", ["head", "head:port", ":6379", "head:6379/x", "ray://head"])
def test_what_is_no_address_is_told(address):
    with pytest.raises(UserError, match=r"is none of auto, HOST:PORT and ray://HOST:PORT"):
        check_cluster(address)


@pytest.mark.parametrize("address", ["head:8265", "ray://head:10001", "auto"])
def test_what_is_no_address_of_a_job_api_is_told(address):
    with pytest.raises(UserError, match=r"is no address of a job API; give http://HOST:PORT"):
        connect(address)


def test_versions_that_differ_are_named():
    with pytest.raises(
        UserError, match=r"the cluster at 'head:1' runs Python 3\.9\.1, this machine Python 3\.\d+\.\d+; "
    ):
        check_versions("head:1", {"Python": "3.9.1"})


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_cluster_of_another_ray_and_python_is_told(tmp_path):
    patch, elsewhere = tmp_path / "patch", tmp_path / "elsewhere"
    patch.mkdir()
    elsewhere.mkdir()
    (patch / "sitecustomize.py").write_text(OTHER_VERSIONS, encoding="utf-8")
    grid = str(write_grid(elsewhere, {}))
    with start_head({"PYTHONPATH": str(patch)}) as head:
        for arguments in (("submit", grid, "--address", head.jobs), ("run", grid, "--address", head.address)):
            done = sccbench(*arguments, folder=elsewhere, **head.as_user)
            assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
            assert "runs Ray 2.1.0" in done.stderr
            assert "this machine Ray 2." in done.stderr
        assert "and Python 3.9.1" in done.stderr
        for _ in range(CLIENT_ATTEMPTS):
            client = sccbench("run", grid, "--address", head.client, folder=elsewhere, **head.as_user)
            if "Starting Ray client server failed" not in client.stderr:
                break
        assert (client.returncode, len(client.stderr.splitlines())) == (2, 1), client.stderr
        assert "is of another version: Version mismatch: The cluster was started with: Ray: 2.1.0" in client.stderr
