"""The disk cache lists what it holds by preparation, and emptying it disturbs no reader."""

from __future__ import annotations

import os
from collections import Counter

from scc_core.datasets.pixels.disk_cache.budget import cache_files
from scc_core.datasets.pixels.disk_cache.contents import clear, preparations
from tests.scc_core.datasets.pixels.disk_cache.watched import CHUNK_BYTES, Watched, decodings, digests, prepared


def test_every_preparation_has_its_line_the_oldest_first(tmp_path):
    assert preparations(tmp_path / "cache") == []
    digests(prepared(tmp_path), [0, 1, 2])
    digests(prepared(tmp_path, Watched(tmp_path, size=200)), [3])
    for file in cache_files(tmp_path / "cache"):
        os.utime(file.path, ns=(0, int(file.path.stem)))
    first, second = preparations(tmp_path / "cache")
    assert first[1:] == (3, 3 * CHUNK_BYTES, 2)
    assert second[1:] == (1, CHUNK_BYTES, 3)
    assert first.name.startswith("test-watched-native-16-")
    assert first.name != second.name


def test_an_emptied_cache_is_filled_again_by_whoever_needs_it(tmp_path):
    assert clear(tmp_path / "cache") == 0
    assert not (tmp_path / "cache").exists()
    dataset = prepared(tmp_path, cache_bytes=1)
    expected = digests(dataset)
    assert clear(tmp_path / "cache") == 8 * CHUNK_BYTES
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == ["bytes-used"]
    assert int((tmp_path / "cache" / "bytes-used").read_text()) == 0
    assert digests(dataset) == expected
    assert decodings(tmp_path) == Counter(dict.fromkeys(range(400), 2))
    assert int((tmp_path / "cache" / "bytes-used").read_text()) == 8 * CHUNK_BYTES
