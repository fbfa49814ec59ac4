"""Several processes on one disk cache: nothing is decoded twice, the bound holds, and memory stays flat."""

from __future__ import annotations

import json
import os
from collections import Counter

import pytest

from scc_core.datasets import PreparedDataset
from scc_core.datasets.pixels.disk_cache import CHUNK_SIZE
from tests.orchestrator.console import wait_for
from tests.scc_core.datasets.pixels.disk_cache.watched import (
    CHUNK_BYTES,
    ROOMY,
    SIDE,
    Watched,
    decodings,
    digests,
    measure_memory,
    read_from,
    start,
)

STOPPED_CHUNK = 3
STOPPED_AFTER = 20
"""Images of that chunk that are decoded before its builder is killed at the next one."""


@pytest.fixture
def expected(tmp_path) -> list[list[object]]:
    """The digests of all chunks as they are without a disk cache, read in a folder of their own."""
    (tmp_path / "plain").mkdir()
    plain = PreparedDataset(Watched(tmp_path / "plain"), "native", SIDE)
    return [list(item) for item in digests(plain).items()]


def finish(process, patience: float = 60.0) -> None:
    process.join(patience)
    assert process.exitcode == 0


def results(folder) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted(folder.glob("result-*"))]


def test_four_processes_decode_everything_once_though_one_is_killed_while_it_builds(tmp_path, expected):
    order = PreparedDataset(Watched(tmp_path), "native", SIDE).order
    first = STOPPED_CHUNK * CHUNK_SIZE
    gate_at = int(order[first + STOPPED_AFTER])
    os.mkfifo(tmp_path / "gate")
    processes = [start(read_from, tmp_path, 2 * number, gate_at, ROOMY, 1) for number in range(4)]
    (waiting,) = wait_for(lambda: list(tmp_path.glob("waiting-*")), "a builder at the gate")
    # The other three go on meanwhile, until each of them needs what the stopped one builds.
    wait_for(lambda: len(list(tmp_path.glob("cache/*/*.pixels"))) == 7, "the other chunks")
    (killed,) = [process for process in processes if process.pid == int(waiting.name.removeprefix("waiting-"))]
    assert len(list(tmp_path.glob("cache/*/*.part"))) == 1
    killed.kill()
    killed.join()
    for process in processes:
        if process is not killed:
            finish(process)
    finish(start(read_from, tmp_path, 0, None, ROOMY, 1))
    found = results(tmp_path)
    assert [result["digests"] for result in found] == [expected] * 4
    twice = {int(index): 2 for index in order[first : first + STOPPED_AFTER + 1]}
    assert decodings(tmp_path) == Counter({**dict.fromkeys(range(400), 1), **twice})
    assert sorted(path.name for path in tmp_path.glob("cache/*/*")) == [f"{number:06}.pixels" for number in range(8)]


def test_a_second_round_and_a_second_process_decode_nothing(tmp_path, expected):
    finish(start(read_from, tmp_path, 0, None, ROOMY, 2))
    finish(start(read_from, tmp_path, 5, None, ROOMY, 1))
    assert decodings(tmp_path) == Counter(range(400))
    assert [result["digests"] for result in results(tmp_path)] == [expected] * 2


def test_the_bound_holds_while_four_processes_push_each_other_s_chunks_out(tmp_path, expected):
    bound = 5 * CHUNK_BYTES
    for process in [start(read_from, tmp_path, 2 * number, None, bound, 3) for number in range(4)]:
        finish(process)
    found = results(tmp_path)
    assert [result["digests"] for result in found] == [expected] * 4
    assert 4 * CHUNK_BYTES <= max(result["largest"] for result in found) <= bound
    assert decodings(tmp_path).total() > 400


def test_memory_does_not_grow_with_the_dataset(tmp_path):
    """49 MB of pixels against 2.5 MB."""
    peaks = {}
    for size in (200, 4000):
        folder = tmp_path / str(size)
        folder.mkdir()
        finish(start(measure_memory, folder, size))
        peaks[size] = json.loads((folder / "peaks").read_text())
        assert len(list(folder.glob("cache/*/*.pixels"))) == size // CHUNK_SIZE
    assert peaks[4000]["allocated"] < 1.2 * peaks[200]["allocated"]
    assert peaks[4000]["resident"] < peaks[200]["resident"] + 8 * 2**20
