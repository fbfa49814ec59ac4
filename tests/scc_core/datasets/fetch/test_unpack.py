"""Archives are unpacked whole or not at all, and never outside of their folder."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile

import pytest

from scc_core.datasets.fetch.unpack import unpack
from scc_core.errors import UserError

FILES = {"set/a/1.txt": b"one", "set/b/2.txt": b"two"}


def tar_bytes(files, mode="w:gz"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def zip_bytes(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "content", [tar_bytes(FILES), tar_bytes(FILES, "w"), tar_bytes(FILES, "w:xz"), zip_bytes(FILES)], ids=range(4)
)
def test_what_an_archive_is_decides_its_content_not_its_name(content, tmp_path):
    archive = tmp_path / "set.tar.gz"
    archive.write_bytes(content)
    unpack(archive, tmp_path / "data")
    assert contents(tmp_path / "data") == FILES


def test_a_compressed_file_loses_its_ending(tmp_path):
    (tmp_path / "labels.h5.gz").write_bytes(gzip.compress(b"labels"))
    unpack(tmp_path / "labels.h5.gz", tmp_path / "data")
    assert contents(tmp_path / "data") == {"labels.h5": b"labels"}


def test_the_archive_inside_of_the_archive(tmp_path):
    (tmp_path / "outer.zip").write_bytes(zip_bytes({"outer/inner.tar.gz": tar_bytes(FILES), "outer/notes": b"no"}))
    unpack(tmp_path / "outer.zip", tmp_path / "data", inner="outer/inner.tar.gz")
    assert contents(tmp_path / "data") == FILES


def test_what_is_there_is_replaced_and_what_the_archive_lacks_stays(tmp_path):
    (tmp_path / "data" / "set" / "a").mkdir(parents=True)
    (tmp_path / "data" / "set" / "a" / "1.txt").write_bytes(b"half")
    (tmp_path / "data" / "set" / "own.txt").write_bytes(b"own")
    (tmp_path / "set.zip").write_bytes(zip_bytes(FILES))
    unpack(tmp_path / "set.zip", tmp_path / "data")
    assert contents(tmp_path / "data") == {**FILES, "set/own.txt": b"own"}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (tar_bytes(FILES)[:-20], "cannot be unpacked: .*; delete it and fetch it again"),
        (b"<html>Not Found</html>", "is neither a tar, a zip nor a gzip file"),
        (b"", "is neither a tar, a zip nor a gzip file"),
        (tar_bytes({"../outside.txt": b"x"}), "cannot be unpacked"),
    ],
    ids=["truncated", "a page", "empty", "outside"],
)
def test_a_broken_archive_leaves_nothing(content, text, tmp_path):
    (tmp_path / "set.tar.gz").write_bytes(content)
    with pytest.raises(UserError, match=text):
        unpack(tmp_path / "set.tar.gz", tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []
    assert not (tmp_path / "outside.txt").exists()
