"""Downloads from a real server: whole or not there, resumed where they broke off, checked."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from scc_core.errors import UserError
from scc_core.machine.download import NoSuchFileError, download
from tests.scc_core.http_server import serve

CONTENT = np.random.default_rng(0).bytes(3_000_000)
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture
def server(tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "set.npz").write_bytes(CONTENT)
    with serve(tmp_path / "site") as server:
        yield server


def test_a_file_arrives_whole_and_is_not_asked_for_again(server, tmp_path):
    target = tmp_path / "data" / "set.npz"
    assert download(f"{server.url}/set.npz", target, md5=MD5).read_bytes() == CONTENT
    download(f"{server.url}/set.npz", target, md5=MD5)
    assert server.requests == [("/set.npz", None)]
    assert [path.name for path in target.parent.iterdir() if path.suffix != ".lock"] == ["set.npz"]


def test_a_connection_that_breaks_off_is_named_and_goes_on_where_it_was(server, tmp_path):
    target = tmp_path / "set.npz"
    server.break_after = 1_200_000
    with pytest.raises(UserError, match=r"set\.npz cannot be downloaded: .*; the same command goes on where it broke"):
        download(f"{server.url}/set.npz", target)
    assert not target.exists()
    download(f"{server.url}/set.npz", target, md5=MD5)
    assert target.read_bytes() == CONTENT
    (_, first), (_, second) = server.requests
    assert first is None
    assert second == "bytes=1200000-"


def test_a_file_that_changed_meanwhile_starts_anew(server, tmp_path):
    server.break_after = 1_200_000
    with pytest.raises(UserError):
        download(f"{server.url}/set.npz", tmp_path / "set.npz")
    (tmp_path / "site" / "set.npz").write_bytes(CONTENT[::-1])
    assert download(f"{server.url}/set.npz", tmp_path / "set.npz").read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("lacking", ["etags", "ranges"])
def test_a_server_that_cannot_go_on_sends_the_whole_file_again(server, tmp_path, lacking):
    setattr(server, lacking, False)
    server.break_after = 1_200_000
    with pytest.raises(UserError):
        download(f"{server.url}/set.npz", tmp_path / "set.npz")
    assert download(f"{server.url}/set.npz", tmp_path / "set.npz", md5=MD5).read_bytes() == CONTENT


def test_a_part_that_is_whole_already_is_fetched_again_and_checked(server, tmp_path):
    server.break_after = len(CONTENT) - 1
    with pytest.raises(UserError):
        download(f"{server.url}/set.npz", tmp_path / "set.npz")
    with (tmp_path / "set.npz.part").open("ab") as part:
        part.write(CONTENT[-1:])
    assert download(f"{server.url}/set.npz", tmp_path / "set.npz", md5=MD5).read_bytes() == CONTENT


def test_what_is_not_the_published_file_is_not_kept(server, tmp_path):
    with pytest.raises(UserError, match=rf"has MD5 {MD5}, published is 00: .*nothing was kept"):
        download(f"{server.url}/set.npz", tmp_path / "set.npz", md5="00")
    assert not (tmp_path / "set.npz").exists()
    assert not (tmp_path / "set.npz.part").exists()


def test_a_missing_file_and_a_missing_server_are_named(server, tmp_path):
    with pytest.raises(NoSuchFileError, match=r"there is no file at http://.*/gone\.npz \(HTTP 404\)"):
        download(f"{server.url}/gone.npz", tmp_path / "gone.npz")
    with pytest.raises(UserError, match=r"http://127\.0\.0\.1:9/x cannot be downloaded: .*refused"):
        download("http://127.0.0.1:9/x", tmp_path / "x")


def test_a_folder_that_cannot_be_written_is_named(server, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        download(f"{server.url}/set.npz", tmp_path / "file" / "set.npz")


def test_of_several_callers_one_downloads(server, tmp_path):
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda _: download(f"{server.url}/set.npz", tmp_path / "set.npz", md5=MD5), range(4)))
    assert {path.read_bytes() == CONTENT for path in paths} == {True}
    assert len(server.requests) == 1
