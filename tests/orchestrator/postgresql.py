"""A real PostgreSQL server from what the system has, which a test may stop and start."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Literal

import pytest

PASSWORD = "s3cr3t-w0rd"


class Server:
    """A server with a folder, a port and a user ``bench`` of its own; it runs until :meth:`remove`."""

    def __init__(self) -> None:
        initdb, self._pg_ctl = _tool("initdb"), _tool("pg_ctl")
        self._folder = Path(tempfile.mkdtemp(prefix="sccbench-pg-", dir="/tmp"))
        self._user = _server_user(self._folder)
        self._data, self._port = self._folder / "data", _free_port()
        password = self._folder / "password"
        password.write_text(PASSWORD)
        access = ["-U", "bench", "-A", "scram-sha-256", "--pwfile", str(password), "-E", "UTF8", "--no-sync"]
        self._run([initdb, "-D", str(self._data), *access])
        self.start()

    @property
    def url(self) -> str:
        """URL of the database ``postgres``, with a password in it."""
        return f"postgresql://bench:{PASSWORD}@127.0.0.1:{self._port}/postgres"

    def schema(self, name: str) -> str:
        """Make a new, empty schema, which is made faster than a database; return its URL."""
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}".encode())
        return f"{self.url}?options=-csearch_path%3D{name}"

    def start(self) -> None:
        """Start it, and return when it answers."""
        options = (
            f"-c listen_addresses=127.0.0.1 -p {self._port} -c unix_socket_directories={self._folder} -c fsync=off"
        )
        log = str(self._folder / "log")
        self._run([self._pg_ctl, "-D", str(self._data), "-o", options, "-l", log, "-w", "start"])

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Stop it and drop every connection; ``immediate`` is a crash."""
        self._run([self._pg_ctl, "-D", str(self._data), "-m", mode, "-w", "stop"])

    def remove(self) -> None:
        """Stop it and delete everything that it had."""
        if (self._data / "postmaster.pid").exists():
            self.stop("immediate")
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, command: list[str]) -> None:
        user = self._user
        identity: dict[str, Any] = (
            {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        )
        done = subprocess.run(
            command, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **identity
        )
        assert done.returncode == 0, done.stderr.decode()


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


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
