"""A dataset's identity is its content: the same for two copies of it, another as soon as one byte differs."""

from __future__ import annotations

import hashlib
import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from scc_core.datasets.files.manifest import read_manifest
from scc_core.datasets.files.samples import FileSamples, Sample
from scc_core.errors import UserError
from scc_core.machine.settings import CACHE
from tests.miniatures.images import write_image


class Counting(FileSamples):
    """Counts how many files are read."""

    reads = 0

    def content(self, index):
        self.reads += 1
        return super().content(index)


@pytest.fixture
def folder(data_root) -> Path:
    for serial, name in enumerate(("a/1.jpg", "a/2.jpg", "b/1.jpg")):
        write_image(data_root / "set" / name, serial)
    return data_root / "set"


def samples_of(folder: Path) -> Counting:
    return Counting(folder, [Sample("a/1.jpg", 0), Sample("a/2.jpg", 0), Sample("b/1.jpg", 1)])


def test_a_row_holds_id_label_and_the_digest_of_the_bytes(folder):
    rows = read_manifest(samples_of(folder), "set", folder).rows
    assert [row.id for row in rows] == ["a/1.jpg", "a/2.jpg", "b/1.jpg"]
    assert [row.label for row in rows] == [0, 0, 1]
    assert rows[2].sha256 == hashlib.sha256((folder / "b/1.jpg").read_bytes()).hexdigest()


def test_files_are_hashed_once_and_again_only_where_they_changed(folder):
    assert samples_of(folder).reads == 0
    first = samples_of(folder)
    before = read_manifest(first, "set", folder)
    again = samples_of(folder)
    assert read_manifest(again, "set", folder) == before
    assert (first.reads, again.reads) == (3, 0)
    write_image(folder / "a/2.jpg", 99)
    changed = samples_of(folder)
    after = read_manifest(changed, "set", folder)
    assert changed.reads == 1
    assert after.digest != before.digest
    assert [one == other for one, other in zip(before.rows, after.rows, strict=True)] == [True, False, True]


def test_two_copies_have_the_same_digest_wherever_and_whenever_they_were_made(folder):
    copy = shutil.copytree(folder, folder.parent / "elsewhere", copy_function=shutil.copyfile)
    os.utime(copy / "a/1.jpg", (1, 1))
    assert (
        read_manifest(samples_of(copy), "set", copy).digest == read_manifest(samples_of(folder), "set", folder).digest
    )


def test_labels_order_and_names_are_part_of_the_digest(folder):
    given = [Sample("a/1.jpg", 0), Sample("a/2.jpg", 0), Sample("b/1.jpg", 1)]
    shutil.copyfile(folder / "a/1.jpg", folder / "a/3.jpg")
    variants = [given, given[::-1], given[:2], [*given[:2], Sample("b/1.jpg", 0)], [Sample("a/3.jpg", 0), *given[1:]]]
    digests = {read_manifest(FileSamples(folder, variant), "set", folder).digest for variant in variants}
    assert len(digests) == len(variants)


@pytest.mark.parametrize("damage", [b"", b"manifest-1 3\n", b"\xff\xfe", b"manifest-1 1\nno json\n"])
def test_a_damaged_cache_is_made_again(folder, damage):
    digest = read_manifest(samples_of(folder), "set", folder).digest
    (cache,) = (folder.parents[1] / "cache" / "manifests").glob("*.txt")
    cache.write_bytes(damage)
    again = samples_of(folder)
    assert read_manifest(again, "set", folder).digest == digest
    assert again.reads == 3


def test_a_cache_folder_that_cannot_be_made_costs_only_the_keeping(folder, monkeypatch):
    (folder.parent / "file").write_text("not a folder")
    monkeypatch.setenv(CACHE.name, str(folder.parent / "file"))
    with pytest.warns(UserWarning, match="cannot be kept"):
        assert len(read_manifest(samples_of(folder), "set", folder).rows) == 3


def test_a_missing_file_is_named(folder):
    (folder / "b/1.jpg").unlink()
    with pytest.raises(UserError, match=r"dataset set: No such file or directory: .*b/1\.jpg; `sccbench doctor"):
        read_manifest(samples_of(folder), "set", folder)


def _digest_of(folder: Path) -> tuple[str, int]:
    samples = samples_of(folder)
    return read_manifest(samples, "set", folder).digest, samples.reads


def test_of_several_processes_one_hashes(folder):
    with ProcessPoolExecutor(4) as pool:
        results = list(pool.map(_digest_of, [folder] * 4))
    assert len({digest for digest, _ in results}) == 1
    assert sum(reads for _, reads in results) == 3
