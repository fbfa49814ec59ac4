"""One driver at a time on an SQLite file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.store import ResultStore
from orchestrator.writing.driver_lock import driver_lock
from scc_core.errors import UserError

HOLD = """
import sys
from orchestrator.writing.driver_lock import driver_lock
from orchestrator.store import ResultStore
with driver_lock(ResultStore.open(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path):
    """Another process that has the database."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "results.db")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_the_second_driver_is_told_who_is_at_work(holder, tmp_path):
    store = ResultStore.open(str(tmp_path / "results.db"))
    with pytest.raises(UserError) as caught, driver_lock(store):
        pass
    message = str(caught.value)
    assert message.startswith(f"{store.name} is in use by process {holder.pid} on ")
    assert "on SQLite one run goes on at a time" in message
    holder.communicate()
    with driver_lock(store):
        pass


def test_a_killed_driver_leaves_nothing_in_the_way(holder, tmp_path):
    holder.kill()
    holder.wait()
    assert (tmp_path / "results.db-driver").exists()
    store = ResultStore.open(str(tmp_path / "results.db"))
    with driver_lock(store), pytest.raises(UserError, match="in use"), driver_lock(store):
        pass
    assert not (tmp_path / "results.db-driver").exists()


def test_postgresql_has_room_for_several(postgresql_url: str):
    store = ResultStore.open(postgresql_url)
    with driver_lock(store), driver_lock(store):
        pass
