"""Digests of large files: computed once, again when the file changes, by several processes at a time."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scc_core.machine.file_digest import sha256_of

LARGE = 1 << 21
LONG_AGO = 1_700_000_000


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("SCCBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "digests"


def large_file(path: Path, fill: bytes = b"a") -> str:
    path.write_bytes(fill * LARGE)
    os.utime(path, (LONG_AGO, LONG_AGO))
    return hashlib.sha256(fill * LARGE).hexdigest()


def forge(cache: Path) -> None:
    """Make every kept digest a recognisable lie, to see whether it is used."""
    for entry in cache.glob("*.json"):
        entry.write_text(json.dumps({**json.loads(entry.read_text()), "sha256": "kept"}))


def test_a_large_file_is_read_once(tmp_path, cache):
    expected = large_file(tmp_path / "weights")
    assert sha256_of(tmp_path / "weights") == expected
    forge(cache)
    assert sha256_of(tmp_path / "weights") == "kept"
    (tmp_path / "link").symlink_to(tmp_path / "weights")
    assert sha256_of(tmp_path / "link") == "kept"


@pytest.mark.parametrize("change", ["content", "time", "inode"])
def test_a_changed_file_is_read_again(tmp_path, cache, change):
    path = tmp_path / "weights"
    expected = large_file(path)
    assert sha256_of(path) == expected
    forge(cache)
    if change == "content":
        path.write_bytes(b"b" * (LARGE + 1))
        os.utime(path, (LONG_AGO, LONG_AGO))
        expected = hashlib.sha256(path.read_bytes()).hexdigest()
    elif change == "time":
        os.utime(path, (LONG_AGO + 1, LONG_AGO + 1))
    else:
        expected = large_file(tmp_path / "other", b"c")
        (tmp_path / "other").replace(path)
    assert sha256_of(path) == expected


def test_a_file_written_just_now_is_not_trusted_to_stay(tmp_path, cache):
    (tmp_path / "weights").write_bytes(b"a" * LARGE)
    sha256_of(tmp_path / "weights")
    assert not list(cache.glob("*.json"))


def test_small_files_and_damaged_entries_are_read(tmp_path, cache):
    (tmp_path / "small").write_bytes(b"a")
    assert sha256_of(tmp_path / "small") == hashlib.sha256(b"a").hexdigest()
    assert not cache.exists()
    expected = large_file(tmp_path / "weights")
    sha256_of(tmp_path / "weights")
    (entry,) = cache.glob("*.json")
    for damage in ("", "[]", "{}", '{"size"'):
        entry.write_text(damage)
        assert sha256_of(tmp_path / "weights") == expected


def test_a_cache_that_cannot_be_written_only_costs_time(tmp_path, monkeypatch):
    expected = large_file(tmp_path / "weights")
    (tmp_path / "occupied").write_text("a file where the folder should be")
    monkeypatch.setenv("SCCBENCH_CACHE", str(tmp_path / "occupied"))
    assert sha256_of(tmp_path / "weights") == expected


def test_several_processes_may_ask_at_once(tmp_path, cache):
    expected = large_file(tmp_path / "weights")
    program = (
        "from pathlib import Path; from scc_core.machine.file_digest import sha256_of\n"
        f"print({{sha256_of(Path({str(tmp_path / 'weights')!r})) for _ in range(20)}})"
    )
    running = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert {one.communicate()[0].strip() for one in running} == {f"{{'{expected}'}}"}
    (entry,) = cache.iterdir()
    assert json.loads(entry.read_text())["sha256"] == expected
