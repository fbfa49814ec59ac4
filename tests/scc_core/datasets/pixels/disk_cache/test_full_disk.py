"""A disk that is full, written to by others, read-only or no folder at all costs time and one warning, no result."""

from __future__ import annotations

import os
import resource
import subprocess
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from scc_core.datasets import PreparedDataset
from scc_core.datasets.pixels.disk_cache import CHUNK_SIZE, Chunk, DiskCache, Preparation
from tests.disks import fill, small_disk
from tests.scc_core.datasets.pixels.disk_cache.watched import ROOMY, SIDE, Watched, decodings, digests, prepared, start

WARNING = "images are decoded without the disk cache of prepared images in .*: "


@pytest.fixture
def disk(tmp_path):
    """A disk of 200 KiB, which holds four of the eight chunks."""
    with small_disk(tmp_path / "cache", "200k") as disk:
        yield disk


@pytest.fixture
def expected(tmp_path) -> dict[int, str]:
    (tmp_path / "plain").mkdir()
    return digests(PreparedDataset(Watched(tmp_path / "plain"), "native", SIDE))


def read_with_one_warning(dataset: PreparedDataset) -> dict[int, str]:
    with pytest.warns(UserWarning, match=WARNING) as warned:
        found = digests(dataset)
    assert len(warned) == 1
    return found


def test_a_small_disk_keeps_what_fits(tmp_path, disk, expected):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset = prepared(tmp_path, cache_bytes=1)
        assert digests(dataset) == expected
        assert digests(prepared(tmp_path), [7]) == {7: expected[7]}
    assert decodings(tmp_path) == Counter(range(400))
    assert os.statvfs(disk).f_bavail > 0


def test_a_disk_that_others_filled_is_done_without(tmp_path, disk, expected):
    fill(disk / "others")
    dataset = prepared(tmp_path)
    assert read_with_one_warning(dataset) == expected
    assert digests(dataset) == expected
    assert decodings(tmp_path) == Counter(range(400))
    (disk / "others").unlink()
    assert digests(prepared(tmp_path), [0]) == {0: expected[0]}
    assert len(list(disk.glob("*/*.pixels"))) == 1


def test_a_disk_that_fills_while_a_chunk_is_decoded_leaves_no_half_chunk(tmp_path, disk):
    disk_cache = DiskCache(disk, ROOMY)
    chunk = Chunk(Preparation("test/a", "1", "00", "native", SIDE), 0, CHUNK_SIZE)
    decoded = []

    def decode():
        decoded.append(1)
        fill(disk / "others")
        return np.ones(chunk.shape, np.uint8)

    with pytest.warns(UserWarning, match=WARNING + r".*No space left on device"):
        assert (disk_cache.chunk(chunk, decode) == 1).all()
    assert (len(decoded), list(disk.glob("*/*"))) == (1, [])


def test_a_disk_that_became_read_only_is_still_read(tmp_path, disk, expected):
    first = digests(prepared(tmp_path), [0, 1])
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    assert read_with_one_warning(prepared(tmp_path)) == expected
    assert first == {number: expected[number] for number in (0, 1)}
    assert decodings(tmp_path) == Counter(range(400))


def test_a_folder_that_cannot_be_made_is_done_without(tmp_path, expected):
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert read_with_one_warning(prepared(tmp_path)) == expected
    assert decodings(tmp_path) == Counter(range(400))


def read_with_a_limit(folder: Path) -> None:
    """In a process of its own, in which no file may become larger than the header of a chunk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    found = read_with_one_warning(prepared(folder))
    assert found == digests(PreparedDataset(Watched(folder), "native", SIDE))
    assert list(folder.glob("cache/*/*")) == []


def test_a_file_that_may_not_grow_is_done_without(tmp_path):
    process = start(read_with_a_limit, tmp_path)
    process.join(60)
    assert process.exitcode == 0
    assert decodings(tmp_path) == Counter(dict.fromkeys(range(400), 2))
