"""What is stored is trusted only after a check, goes in the order of its last use, and is told apart by its key."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from scc_core.datasets import PreparedDataset
from scc_core.datasets.pixels.disk_cache import CHUNK_SIZE, Chunk, ImageStore, Preparation
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
    (path,) = folder.glob(f"store/*/{number:06}.pixels")
    return path


def images(value: int) -> np.ndarray:
    return np.full((CHUNK_SIZE, SIDE, SIDE, 3), value, np.uint8)


def fill(store: ImageStore, number: int) -> np.ndarray:
    return store.chunk(Chunk(PREPARATION, number, CHUNK_SIZE), lambda: images(number))


def stored(folder) -> list[int]:
    return sorted(int(path.stem) for path in folder.glob("store/*/*.pixels"))


@pytest.mark.parametrize("positions", [range(400), [7], [399, 0, 51, 50, 49, 0], range(30, 330, 3), []])
def test_any_positions_in_any_order_give_the_batch_of_a_dataset_without_a_store(tmp_path, positions):
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
    store = ImageStore(tmp_path / "store", 5 * CHUNK_BYTES)
    for number in range(5):
        fill(store, number)
        os.utime(tmp_path / "store" / Chunk(PREPARATION, number, CHUNK_SIZE).name, (number, number))
    oldest = fill(store, 0)
    fill(store, 5)
    # One had to go, and a tenth of the bound is freed on top.
    assert stored(tmp_path) == [0, 3, 4, 5]
    fill(store, 6)
    assert stored(tmp_path) == [0, 3, 4, 5, 6]
    assert (oldest == 0).all()


def test_pixels_in_use_outlive_their_file_and_count_as_used(tmp_path):
    dataset = prepared(tmp_path, max_bytes=5 * CHUNK_BYTES)
    expected = digests(PreparedDataset(Watched(tmp_path), "native", SIDE))
    for number in range(5):
        digests(dataset, [number])
        os.utime(chunk_file(tmp_path, number), (number, number))
    digests(dataset, [1])
    digests(dataset, [5])
    assert stored(tmp_path) == [1, 3, 4, 5]
    assert digests(dataset, [0]) == {0: expected[0]}
    assert stored(tmp_path) == [1, 3, 4, 5]


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
    with pytest.warns(UserWarning, match="decoded without the store") as warned:
        assert digests(dataset) == expected
    assert len(warned) == 1
    assert stored(tmp_path) == []
    digests(dataset)
    assert decodings(tmp_path) == Counter(dict.fromkeys(range(400), 2))


def test_what_killed_builders_left_is_removed_and_a_lost_ledger_is_counted_anew(tmp_path):
    store = ImageStore(tmp_path / "store", ROOMY)
    fill(store, 0)
    folder = tmp_path / "store" / PREPARATION.folder
    (folder / "000007.part").write_bytes(b"half a chunk")
    (tmp_path / "store" / "bytes-used").write_text("nonsense")
    fill(store, 1)
    assert not (folder / "000007.part").exists()
    assert int((tmp_path / "store" / "bytes-used").read_text()) == 2 * CHUNK_BYTES


def test_an_empty_folder_of_an_old_preparation_goes_with_its_last_chunk(tmp_path):
    store = ImageStore(tmp_path / "store", 2 * CHUNK_BYTES)
    fill(store, 0)
    other = replace(PREPARATION, version="2")
    for number in range(2):
        store.chunk(Chunk(other, number, CHUNK_SIZE), lambda: images(0))
    assert [path.name for path in (tmp_path / "store").iterdir() if path.is_dir()] == [other.folder]
