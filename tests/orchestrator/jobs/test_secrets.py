"""A planted password is in the driver's memory and nowhere else: no log, row, page, process list or worker has it."""

from __future__ import annotations

import os
import secrets
import urllib.request
from pathlib import Path

import psycopg
import pytest

from tests.orchestrator.console import PATIENCE, sccbench, start_sccbench, wait_for, write_grid
from tests.orchestrator.driver.test_runs import GATE
from tests.orchestrator.jobs.ray_head import RayHead, release, start_head
from tests.orchestrator.postgresql import Server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
GRID = {"defenses": f"[none, '{GATE}']", "epsilons": "[0]", "max_samples": "100"}
TABLES = "SELECT relname FROM pg_class WHERE relkind IN ('r', 'v') AND relnamespace = 'public'::regnamespace"
PAGES = ("api/jobs/", "nodes?view=summary", "logical/actors", "api/cluster_status", "api/v0/actors?detail=1")
PAGES += ("api/v0/runtime_envs?detail=1", "api/v0/workers?detail=1", "api/v0/jobs?detail=1", "timezone")


@pytest.fixture
def secret() -> str:
    return f"planted{secrets.token_hex(8)}"


@pytest.fixture
def url(postgresql: Server, secret) -> str:
    """A database of its own on a real server, whose role has the secret for a password."""
    server = postgresql.url
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {secret[:12]} LOGIN PASSWORD '{secret}'".encode())
        connection.execute(f"CREATE DATABASE {secret[:12]} OWNER {secret[:12]}".encode())
    host = server.rpartition("@")[2].partition("/")[0]
    return f"postgresql://{secret[:12]}:{secret}@{host}/{secret[:12]}"


def processes_with(secret: str, entry: str) -> dict[int, str]:
    """Every process of the machine whose command line or first environment holds the secret."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                text = (folder / entry).read_bytes()
            except OSError:
                continue
            if secret.encode() in text:
                found[int(folder.name)] = text.replace(b"\0", b" ").decode(errors="replace")
    return found


def files_with(secret: str, folder: Path) -> list[str]:
    """Every plain file below a folder that holds the secret."""
    plain = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return [str(path.relative_to(folder)) for path in plain if secret.encode() in path.read_bytes()]


def page(head: RayHead, name: str) -> str:
    token = head.token_file.read_text(encoding="utf-8")
    request = urllib.request.Request(f"{head.jobs}/{name}", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return str(answer.read().decode())


def rows(url: str) -> str:
    """Everything that the database holds, as text."""
    with psycopg.connect(url) as connection:
        tables = [row[0] for row in connection.execute(TABLES)]
        assert {"run", "block", "results"} <= set(tables)
        return "".join(str(connection.execute(f'SELECT * FROM "{table}"'.encode()).fetchall()) for table in tables)


def test_a_submitted_run_keeps_the_secret(head, call, tmp_path, secret, url):
    head.use_database(url)
    os.mkfifo(head.folder / "gate")
    sent = call("submit", str(write_grid(tmp_path, GRID)))
    assert sent.returncode == 0, sent.stderr
    wait_for(lambda: list(head.folder.glob("waiting-*")), "a worker at the gate")
    assert processes_with(secret, "cmdline") == {}
    assert processes_with(secret, "environ") == {}
    for name in PAGES:
        assert secret not in page(head, name), name
    release(head.folder)
    ended = call("status", "--watch")
    assert ended.returncode == 0, ended.stdout
    head.use_database(url.replace("@127.0.0.1:", "@127.0.0.1:1"))
    refused = call("submit", str(write_grid(tmp_path, GRID)))
    assert (refused.returncode, "does not work" in refused.stderr) == (2, True), refused.stderr
    assert secret not in refused.stderr + sent.stdout + sent.stderr + ended.stdout
    assert files_with(secret, head.folder) == [head.database_file.name]
    assert secret not in rows(url)
    drawn = call("dashboard", "--out", "site", SCCBENCH_DB=url)
    assert drawn.returncode == 0, drawn.stderr
    assert files_with(secret, tmp_path) == []


def test_a_local_run_gives_the_secret_to_no_process_that_it_starts(tmp_path, secret, url):
    os.mkfifo(tmp_path / "gate")
    process = start_sccbench(
        "run", str(write_grid(tmp_path, GRID)), "--workers", "1", folder=tmp_path, SCCBENCH_DB=url, PGPASSWORD=secret
    )
    try:
        wait_for(lambda: process.poll() is not None or list(tmp_path.glob("waiting-*")), "a worker at the gate")
        assert process.poll() is None, process.communicate()
        worker = int(next(tmp_path.glob("waiting-*")).name.removeprefix("waiting-"))
        assert secret not in Path(f"/proc/{worker}/environ").read_text(encoding="utf-8")
        # The command itself was started with it; its children, Ray's processes and workers, were not.
        assert set(processes_with(secret, "environ")) == {process.pid}
        assert processes_with(secret, "cmdline") == {}
    finally:
        process.terminate()
        text, _ = process.communicate(timeout=PATIENCE)
    assert secret not in text


def test_ray_started_with_the_secret_is_refused_as_a_head(tmp_path, secret):
    url = f"postgresql://bench:{secret}@127.0.0.1:9/results"
    with start_head({"SCCBENCH_DB": url, "PGPASSWORD": secret}) as head:
        as_user = {**head.as_user, "RAY_API_SERVER_ADDRESS": head.jobs}
        refused = sccbench("submit", str(write_grid(tmp_path, GRID)), folder=tmp_path, **as_user)
    assert refused.returncode == 2
    assert "Ray on the head was started with the database's password in SCCBENCH_DB and PGPASSWORD" in refused.stderr
    assert secret not in refused.stderr
