"""A cached chunk is checked before it is used, goes in the order of its last use, and has a key of its own."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from scc_core.datasets import PreparedDataset
from scc_core.datasets.pixels.disk_cache import CHUNK_SIZE, Chunk, DiskCache, Preparation
from tests.scc_core.datasets.pixels.disk_cache.watched import (
    CHUNK_BYTES,
    CPU,
    ROOMY,
    SIDE,
    Watched,
    decodings,
    digests,
    prepared,
)

PREPARATION = Preparation("test/a", "1", "00", "native", SIDE)


def chunk_file(folder, number=2):
    (path,) = folder.glob(f"cache/*/{number:06}.pixels")
    return path


def images(value: int) -> np.ndarray:
    return np.full((CHUNK_SIZE, SIDE, SIDE, 3), value, np.uint8)


def fill(disk_cache: DiskCache, number: int) -> np.ndarray:
    return disk_cache.chunk(Chunk(PREPARATION, number, CHUNK_SIZE), lambda: images(number))


def cached(folder) -> list[int]:
    return sorted(int(path.stem) for path in folder.glob("cache/*/*.pixels"))


@pytest.mark.parametrize("positions", [range(400), [7], [399, 0, 51, 50, 49, 0], range(30, 330, 3), []])
def test_any_positions_in_any_order_give_the_batch_of_a_dataset_without_a_disk_cache(tmp_path, positions):
    plain = PreparedDataset(Watched(tmp_path), "native", SIDE).batch(positions, CPU)
    for _ in range(2):
        batch = prepared(tmp_path).batch(positions, CPU)
        assert batch.pixels.equal(plain.pixels)
        assert batch.labels.equal(plain.labels)
        assert batch.sample_ids.equal(plain.sample_ids)


def test_the_last_chunk_is_as_short_as_the_dataset_and_no_other_is_decoded_for_it(tmp_path):
    dataset = prepared(tmp_path, Watched(tmp_path, size=120))
    dataset.batch([119], CPU)
    assert decodings(tmp_path) == Counter(dataset.order[100:].tolist())
    assert chunk_file(tmp_path).stat().st_size == 4096 + 20 * 3 * SIDE**2
    with pytest.raises(IndexError, match="test/watched has 120 samples, not 3 to 120"):
        dataset.batch([3, 120], CPU)
    with pytest.raises(IndexError, match="has 120 samples, not -1 to 5"):
        dataset.batch([5, -1], CPU)


def flip_a_bit(path) -> None:
    data = bytearray(path.read_bytes())
    data[5000] ^= 1
    path.write_bytes(data)


def cut_the_end(path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def empty(path) -> None:
    os.truncate(path, 0)


def replace_by_another_dataset_s(path) -> None:
    other = Chunk(PREPARATION, 2, CHUNK_SIZE)
    path.unlink()
    with path.open("w+b") as stream:
        other.write(stream.fileno(), images(9))


@pytest.mark.parametrize("damage", [flip_a_bit, cut_the_end, empty, replace_by_another_dataset_s])
def test_a_damaged_chunk_is_made_anew(tmp_path, damage):
    expected = digests(prepared(tmp_path))
    damage(chunk_file(tmp_path))
    dataset = prepared(tmp_path)
    with pytest.warns(UserWarning, match=r"prepared images .*000002\.pixels are damaged \(it.*\); they are made anew"):
        assert digests(dataset) == expected
    again = dict.fromkeys(dataset.order[100:150].tolist(), 2)
    assert decodings(tmp_path) == Counter({**dict.fromkeys(range(400), 1), **again})
    assert digests(prepared(tmp_path)) == expected
    assert decodings(tmp_path).total() == 450


def test_the_least_recently_used_chunks_go_first(tmp_path):
    disk_cache = DiskCache(tmp_path / "cache", 5 * CHUNK_BYTES)
    for number in range(5):
        fill(disk_cache, number)
        os.utime(tmp_path / "cache" / Chunk(PREPARATION, number, CHUNK_SIZE).name, (number, number))
    oldest = fill(disk_cache, 0)
    fill(disk_cache, 5)
    # One had to go, and a tenth of the bound is freed on top.
    assert cached(tmp_path) == [0, 3, 4, 5]
    fill(disk_cache, 6)
    assert cached(tmp_path) == [0, 3, 4, 5, 6]
    assert (oldest == 0).all()


def test_pixels_in_use_outlive_their_file_and_count_as_used(tmp_path):
    dataset = prepared(tmp_path, max_bytes=5 * CHUNK_BYTES)
    expected = digests(PreparedDataset(Watched(tmp_path), "native", SIDE))
    for number in range(5):
        digests(dataset, [number])
        os.utime(chunk_file(tmp_path, number), (number, number))
    digests(dataset, [1])
    digests(dataset, [5])
    assert cached(tmp_path) == [1, 3, 4, 5]
    assert digests(dataset, [0]) == {0: expected[0]}
    assert cached(tmp_path) == [1, 3, 4, 5]


def test_every_part_of_the_key_tells_preparations_apart(tmp_path):
    others = [
        replace(PREPARATION, **{name: "x"}) for name in ("dataset", "version", "order", "preprocessing", "pillow")
    ]
    others += [replace(PREPARATION, image_size=17), replace(PREPARATION, dataset="test a")]
    assert len({preparation.folder for preparation in [PREPARATION, *others]}) == 8
    assert replace(PREPARATION).folder == PREPARATION.folder
    assert PREPARATION.folder.startswith("test-a-native-16-")
    assert "/" not in replace(PREPARATION, dataset="folder:/a/../b").folder


def test_a_chunk_larger_than_the_bound_is_decoded_with_one_warning(tmp_path):
    dataset = prepared(tmp_path, max_bytes=CHUNK_BYTES - 1)
    expected = digests(PreparedDataset(Watched(tmp_path), "native", SIDE))
    with pytest.warns(UserWarning, match="decoded without the disk cache") as warned:
        assert digests(dataset) == expected
    assert len(warned) == 1
    assert cached(tmp_path) == []
    digests(dataset)
    assert decodings(tmp_path) == Counter(dict.fromkeys(range(400), 2))


def test_what_killed_builders_left_is_removed_and_a_lost_ledger_is_counted_anew(tmp_path):
    disk_cache = DiskCache(tmp_path / "cache", ROOMY)
    fill(disk_cache, 0)
    folder = tmp_path / "cache" / PREPARATION.folder
    (folder / "000007.part").write_bytes(b"half a chunk")
    (tmp_path / "cache" / "bytes-used").write_text("nonsense")
    fill(disk_cache, 1)
    assert not (folder / "000007.part").exists()
    assert int((tmp_path / "cache" / "bytes-used").read_text()) == 2 * CHUNK_BYTES


def test_an_empty_folder_of_an_old_preparation_goes_with_its_last_chunk(tmp_path):
    disk_cache = DiskCache(tmp_path / "cache", 2 * CHUNK_BYTES)
    fill(disk_cache, 0)
    other = replace(PREPARATION, version="2")
    for number in range(2):
        disk_cache.chunk(Chunk(other, number, CHUNK_SIZE), lambda: images(0))
    assert [path.name for path in (tmp_path / "cache").iterdir() if path.is_dir()] == [other.folder]
