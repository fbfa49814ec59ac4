"""A cached chunk is checked before it is used, goes in the order of its last use, and has a key of its own."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import zlib
from collections import Counter
from dataclasses import replace

import numpy as np
import PIL
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
    others += [
        replace(PREPARATION, image_size=17),
        replace(PREPARATION, dataset="test a"),
        replace(PREPARATION, format=1),
    ]
    assert len({preparation.folder for preparation in [PREPARATION, *others]}) == 9
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


def test_a_chunk_that_was_made_from_other_contents_is_made_anew(tmp_path):
    disk_cache = DiskCache(tmp_path / "cache", ROOMY)
    mine, other = (Chunk(PREPARATION, 0, CHUNK_SIZE, made_from) for made_from in ("ab", "cd"))
    disk_cache.chunk(other, lambda: images(1))
    with pytest.warns(UserWarning, match="do not belong together"):
        assert (disk_cache.chunk(mine, lambda: images(2)) == 2).all()
    assert (disk_cache.chunk(mine, lambda: pytest.fail("made again")) == 2).all()


class Sourced(Watched):
    """Says what its images are made from."""

    contents = "ab"

    def content_digest(self, indices):
        return f"{self.contents} {indices}"


def test_a_chunk_carries_what_the_dataset_s_images_are_made_from(tmp_path):
    expected = digests(prepared(tmp_path, Sourced(tmp_path)))
    assert digests(prepared(tmp_path, Sourced(tmp_path))) == expected
    assert decodings(tmp_path).total() == 400
    other = Sourced(tmp_path)
    other.contents = "cd"
    with pytest.warns(UserWarning, match="are damaged"):
        digests(prepared(tmp_path, other), [3])
    assert decodings(tmp_path).total() == 450


def write_as_before(folder, dataset: PreparedDataset, value: int) -> None:
    """Write every chunk as version 0.1.0 did, which did not check what it decoded."""
    order = hashlib.sha256(dataset.order.astype("<i8").tobytes()).hexdigest()
    about = {"dataset": "test/watched", "version": "1", "order": order, "preprocessing": "native", "image_size": SIDE}
    digest = hashlib.sha256(json.dumps({**about, "pillow": PIL.__version__}, sort_keys=True).encode()).digest()
    for number in range(8):
        pixels = images(value)
        header = struct.pack("<8s32sIII", b"SCCPIX1\n", digest, CHUNK_SIZE, SIDE, zlib.crc32(pixels.data))
        path = folder / "cache" / f"test-watched-native-{SIDE}-{digest.hex()[:16]}" / f"{number:06}.pixels"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(header.ljust(4096, b"\0") + pixels.tobytes())
        os.utime(path, (1, 1))


def test_what_an_older_version_prepared_is_not_trusted_and_goes_first(tmp_path):
    dataset = prepared(tmp_path, max_bytes=10 * CHUNK_BYTES)
    expected = digests(PreparedDataset(Watched(tmp_path), "native", SIDE))
    write_as_before(tmp_path, dataset, 7)
    (old,) = (tmp_path / "cache").iterdir()
    assert digests(dataset) == expected
    assert decodings(tmp_path).total() == 800
    assert not old.exists() or len(list(old.iterdir())) <= 2
    assert len(cached(tmp_path)) <= 10
    assert digests(prepared(tmp_path)) == expected
    assert decodings(tmp_path).total() == 800
