"""A real PostgreSQL server from what the system has, and a new database of each kind for every test."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from orchestrator.store import ResultStore

_NUMBERS = count()
_PASSWORD = "s3cr3t-w0rd"


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """URL of the server's database ``postgres``, with a password in it."""
    initdb, pg_ctl = _tool("initdb"), _tool("pg_ctl")
    folder = Path(tempfile.mkdtemp(prefix="sccbench-pg-", dir="/tmp"))
    user = _server_user(folder)
    (folder / "password").write_text(_PASSWORD)
    data, port = folder / "data", _free_port()
    options = f"-c listen_addresses=127.0.0.1 -p {port} -c unix_socket_directories={folder} -c fsync=off"
    access = ["-U", "bench", "-A", "scram-sha-256", "--pwfile", str(folder / "password"), "-E", "UTF8", "--no-sync"]
    try:
        _run(user, [initdb, "-D", str(data), *access])
        _run(user, [pg_ctl, "-D", str(data), "-o", options, "-l", str(folder / "log"), "-w", "start"])
        yield f"postgresql://bench:{_PASSWORD}@127.0.0.1:{port}/postgres"
    finally:
        if (data / "postmaster.pid").exists():
            _run(user, [pg_ctl, "-D", str(data), "-m", "immediate", "-w", "stop"])
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgresql_url(postgresql_server: str) -> str:
    """A new, empty PostgreSQL schema, which is made faster than a database."""
    import psycopg

    name = f"test_{next(_NUMBERS)}"
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}".encode())
    return f"{postgresql_server}?options=-csearch_path%3D{name}"


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """An SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'results.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """A new database, of each kind in turn."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def store(url: str) -> Iterator[ResultStore]:
    """An empty store, of each kind in turn."""
    with ResultStore.open(url) as opened:
        yield opened


def _tool(name: str) -> str:
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    found = shutil.which(name) or next((str(path) for path in installed), None)
    if found is None:
        pytest.skip(f"PostgreSQL's {name} is neither on PATH nor in /usr/lib/postgresql/*/bin")
    return found


def _server_user(folder: Path) -> pwd.struct_passwd | None:
    """The user to run the server as: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    user = names.get("postgres") or names["nobody"]
    os.chown(folder, user.pw_uid, user.pw_gid)
    return user


def _run(user: pwd.struct_passwd | None, command: list[str]) -> None:
    identity: dict[str, Any] = {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    done = subprocess.run(
        command, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **identity
    )
    assert done.returncode == 0, done.stderr.decode()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
