"""One process holds a file; what others find when it lets go, is killed, renames the file or has forked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from scc_core.machine.file_lock import FileHeldError, acquire, acquire_existing, file_lock, has_name, release
from tests.orchestrator.console import wait_for

HOLD = """
import os, sys
from pathlib import Path
from scc_core.machine.file_lock import file_lock
with file_lock(Path(sys.argv[1])) as file:
    os.pwrite(file, b"held by a test", 0)
    print("held", flush=True)
    sys.stdin.read()
"""
COUNT = """
import sys
from pathlib import Path
from scc_core.machine.file_lock import file_lock
count = Path(sys.argv[2])
for _ in range(40):
    with file_lock(Path(sys.argv[1])):
        count.write_text(str(int(count.read_text()) + 1))
"""


def start(code: str, *arguments: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the file ``lock``."""
    process = start(HOLD, tmp_path / "lock")
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def open_descriptors(path: Path) -> int:
    """How many descriptors of this process lead to the file."""
    inode = path.stat().st_ino
    numbers = [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]
    found = 0
    for number in numbers:
        try:
            found += os.fstat(number).st_ino == inode
        except OSError:
            continue
    return found


def test_whoever_does_not_wait_is_refused_and_told_what_the_holder_wrote(holder, tmp_path):
    with pytest.raises(FileHeldError, match=r"^held by a test$"), file_lock(tmp_path / "lock", wait=False):
        pass
    assert acquire_existing(tmp_path / "lock") is None
    holder.communicate()
    with file_lock(tmp_path / "lock", wait=False) as file:
        assert os.pread(file, 100, 0) == b"held by a test"


def test_whoever_waits_gets_the_file_when_the_holder_is_killed(holder, tmp_path):
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(acquire, tmp_path / "lock")
        wait_for(lambda: open_descriptors(tmp_path / "lock") == 1, "the waiting thread")
        assert not waiting.done()
        holder.send_signal(signal.SIGKILL)
        file = waiting.result(60)
    assert has_name(file, tmp_path / "lock")
    release(file)


def test_processes_that_count_in_a_file_lose_no_count(tmp_path):
    count = tmp_path / "count"
    count.write_text("0")
    processes = [start(COUNT, tmp_path / "folders" / "made" / "lock", count) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    for process in processes:
        process.communicate()
    assert count.read_text() == "120"


def test_whoever_waits_for_a_file_that_is_renamed_gets_a_new_one_and_leaves_the_old_alone(tmp_path):
    path, finished = tmp_path / "part", tmp_path / "finished"

    def take_it() -> bytes:
        with file_lock(path, temporary=True) as file:
            assert has_name(file, path)
            os.pwrite(file, b"second", 0)
            return os.pread(file, 100, 0)

    with ThreadPoolExecutor() as pool:
        with file_lock(path, temporary=True) as file:
            os.pwrite(file, b"the first one's pixels", 0)
            waiting = pool.submit(take_it)
            wait_for(lambda: open_descriptors(path) == 2, "the waiting thread")
            path.replace(finished)
        assert waiting.result(60) == b"second"
    assert finished.read_bytes() == b"the first one's pixels"
    assert not path.exists()


def test_a_temporary_file_is_empty_at_first_and_gone_afterwards_also_after_an_error(tmp_path):
    path = tmp_path / "part"
    path.write_bytes(b"what a killed process left")
    with pytest.raises(OSError, match="no room"), file_lock(path, temporary=True) as file:
        raise OSError("no room" if os.fstat(file).st_size == 0 else "not emptied")
    assert not path.exists()


def test_a_child_that_was_forked_meanwhile_keeps_nothing(tmp_path):
    reader, writer = os.pipe()
    with file_lock(tmp_path / "lock"):
        child = os.fork()
        if child == 0:
            os.close(writer)
            os.read(reader, 1)
            os._exit(0)
    try:
        with file_lock(tmp_path / "lock", wait=False) as file:
            assert has_name(file, tmp_path / "lock")
    finally:
        os.close(writer)
        os.close(reader)
        os.waitpid(child, 0)


def test_only_a_file_that_exists_is_taken_over(tmp_path):
    assert acquire_existing(tmp_path / "nowhere") is None
    assert not (tmp_path / "nowhere").exists()
    (tmp_path / "left").touch()
    file = acquire_existing(tmp_path / "left")
    assert has_name(file, tmp_path / "left")
    release(file)


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_file_that_is_made_has_the_permissions_asked_for(tmp_path, mode):
    with file_lock(tmp_path / "lock", mode=mode) as file:
        assert os.fstat(file).st_mode & 0o777 == mode
