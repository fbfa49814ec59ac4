"""Archives in CLIP_benchmark's layout, on this machine and behind a URL."""

from __future__ import annotations

import io
import tarfile

import pytest

from scc_core.datasets import open_dataset
from scc_core.datasets.fetch.fetch_dataset import fetch_address, is_address
from scc_core.datasets.own import tar_shards
from scc_core.datasets.own.webdataset import fetch_webdataset
from scc_core.errors import NotFetchedError, UserError
from tests.miniatures.images import shows
from tests.miniatures.own import image_bytes, write_archive, write_webdataset
from tests.scc_core.http_server import serve


def check(dataset, expected):
    assert dataset.labels.tolist() == [label for _, label in expected] == [0, 2, 1, 0, 2]
    for index, (serial, _) in enumerate(expected):
        assert shows(dataset.image(index), serial)
    assert [row.id for row in dataset.manifest.rows] == [
        "0.tar/s0000000.webp",
        "0.tar/s0000001.webp",
        "1.tar/s0000002.jpg",
        "1.tar/s0000003.jpg",
        "2.tar/s0000004.png",
    ]
    assert dataset.class_names == ("tabby cat", "collie", "barn owl")
    assert dataset.prompts()["collie"] == ("a photo of a collie.", "a drawing of a collie.")
    assert dataset.left_out == ()


def test_number_order_labels_and_prompts(data_root):
    expected = write_webdataset(data_root / "animals")
    check(open_dataset("webdataset:animals"), expected)
    check(open_dataset(f"webdataset:{data_root}/animals"), expected)


def test_the_archives_are_indexed_once_and_again_when_they_change(data_root, monkeypatch):
    write_webdataset(data_root / "animals")
    before = open_dataset("webdataset:animals")
    monkeypatch.setattr(tar_shards, "_build", lambda path: pytest.fail(f"{path} is indexed again"))
    open_dataset("webdataset:animals")
    monkeypatch.undo()
    monkeypatch.setenv("SCCBENCH_DATA", str(data_root))
    members = [("s0000004.png", image_bytes(9, "png")), ("s0000004.cls", b"1")]
    write_archive(data_root / "animals" / "test" / "2.tar", members)
    after = open_dataset("webdataset:animals")
    assert after.labels.tolist() == [0, 2, 1, 0, 1]
    assert shows(after.image(4), 9)
    assert after.version != before.version


def test_a_dataset_behind_a_url_is_downloaded_once_ahead_of_use(data_root, tmp_path):
    expected = write_webdataset(tmp_path / "site" / "sets" / "animals")
    with serve(tmp_path / "site") as server:
        address = f"{server.url}/sets/animals"
        with pytest.raises(NotFetchedError, match=r"`sccbench fetch datasets webdataset:http.*/animals` downloads it"):
            open_dataset(f"webdataset:{address}")
        assert server.requests == []
        fetch_webdataset(address)
        asked = len(server.requests)
        assert sum(path.endswith(".tar") for path, _ in server.requests) == 3
        check(open_dataset(f"webdataset:{address}"), expected)
        fetch_webdataset(address)
        assert [path for path, _ in server.requests[asked:]] == ["/sets/animals/dataset_type.txt"]
    check(open_dataset(f"webdataset:{address}"), expected)


def test_an_address_is_fetched_like_a_published_dataset(data_root, tmp_path):
    expected = write_webdataset(tmp_path / "site")
    with serve(tmp_path / "site") as server:
        assert is_address(f"webdataset:{server.url}")
        check(fetch_address(f"webdataset:{server.url}"), expected)
    assert not is_address("cifar10")
    with pytest.raises(UserError, match="folder:here lies on this machine already"):
        fetch_address("folder:here")
    with pytest.raises(UserError, match="only http:// and https:// addresses are downloaded"):
        fetch_address("webdataset:here")


def test_a_download_that_broke_off_goes_on(data_root, tmp_path):
    expected = write_webdataset(tmp_path / "site" / "animals")
    with serve(tmp_path / "site") as server:
        (tmp_path / "site" / "animals" / "classnames.txt").rename(tmp_path / "kept.txt")
        with pytest.raises(UserError, match=r"there is no file at .*/animals/classnames\.txt"):
            fetch_webdataset(f"{server.url}/animals")
        (tmp_path / "kept.txt").rename(tmp_path / "site" / "animals" / "classnames.txt")
        (tmp_path / "site" / "animals" / "test" / "1.tar").rename(tmp_path / "1.tar")
        with pytest.raises(UserError, match=r"test/1\.tar \(HTTP 404\)"):
            fetch_webdataset(f"{server.url}/animals")
        with pytest.raises(NotFetchedError, match=r"test/1\.tar is missing"):
            open_dataset(f"webdataset:{server.url}/animals")
        (tmp_path / "1.tar").rename(tmp_path / "site" / "animals" / "test" / "1.tar")
        fetch_webdataset(f"{server.url}/animals")
        check(open_dataset(f"webdataset:{server.url}/animals"), expected)
        assert [path for path, _ in server.requests].count("/animals/test/0.tar") == 1


@pytest.mark.parametrize(
    ("place", "url"),
    [
        ("https://huggingface.co/datasets/u/r/tree/main", "https://huggingface.co/datasets/u/r/resolve/main"),
        ("https://huggingface.co/datasets/u/r/tree/main/sub", "https://huggingface.co/datasets/u/r/resolve/main/sub"),
        ("https://huggingface.co/datasets/u/r/", "https://huggingface.co/datasets/u/r/resolve/main"),
        ("https://example.org/sets/a/", "https://example.org/sets/a"),
    ],
)
def test_pages_of_the_hub_are_turned_into_their_files(place, url):
    from scc_core.datasets.own.webdataset import _file_url

    assert _file_url(place) == url


def test_members_that_make_no_sample_are_named_and_nothing_leaves_the_archive(data_root, tmp_path):
    write_webdataset(data_root / "animals")
    path = data_root / "animals" / "test" / "2.tar"
    with tarfile.open(path, "w") as archive:
        for name, content in (
            ("good.png", image_bytes(3, "png")),
            ("good.cls", b"1\n"),
            ("good.json", b"{}"),
            ("blind.cls", b"1"),
            ("mute.png", image_bytes(4, "png")),
            ("odd.png", image_bytes(5, "png")),
            ("odd.cls", b"one"),
            ("broken.png", image_bytes(6, "png")[:60]),
            ("broken.cls", b"0"),
            ("README", b"text"),
            ("../../evil.png", image_bytes(7, "png")),
            ("../../evil.cls", b"2"),
        ):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        link = tarfile.TarInfo("link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    dataset = open_dataset("webdataset:animals")
    assert [row.id for row in dataset.manifest.rows][4:] == ["2.tar/good.png", "2.tar/../../evil.png"]
    assert {name: reason.partition(":")[0] for name, reason in dataset.left_out} == {
        "2.tar/blind": "it has no image (webp, png, jpg, jpeg), only cls",
        "2.tar/mute": "it has no label (cls), only png",
        "2.tar/odd": "its cls is no whole number",
        "2.tar/broken.png": "image file is truncated",
        "README": "its name has no ending that says what it is",
        "link.png": "not a plain file",
    }
    assert not list(tmp_path.rglob("evil.png"))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            lambda root: (root / "classnames.txt").unlink(),
            r"classnames\.txt is missing; the layout is classnames\.txt, z",
        ),
        (
            lambda root: (root / "classnames.txt").write_text("a\nb\n"),
            r"0\.tar/s0000001\.webp has label 2, .* 2 class n",
        ),
        (lambda root: (root / "classnames.txt").write_text("a\n\nb\n"), "line 2: a class without a name"),
        (lambda root: (root / "dataset_type.txt").write_text("retrieval\n"), "is for retrieval; only classification"),
        (lambda root: (root / "dataset_type.txt").write_text("multilabel\n"), "is for multilabel; only classification"),
        (lambda root: (root / "test" / "nshards.txt").write_text("many"), "holds 'many', expected the number"),
        (lambda root: (root / "test" / "nshards.txt").write_text("4"), r"3\.tar is missing, .* asks for 4 archives"),
        (lambda root: (root / "test").rename(root / "val"), r"nshards\.txt is missing; splits that are there: val"),
        (lambda root: (root / "test" / "0.tar").write_bytes(b"\x1f\x8b" * 600), "no uncompressed tar archive"),
        (
            lambda root: (root / "test" / "0.tar").write_bytes((root / "test" / "0.tar").read_bytes()[:1400]),
            "0.tar is no uncompressed tar archive, or breaks off",
        ),
    ],
)
def test_another_layout_is_one_line_that_says_what_is_expected(data_root, change, text):
    write_webdataset(data_root / "animals")
    change(data_root / "animals")
    with pytest.raises(UserError, match=text) as caught:
        open_dataset("webdataset:animals")
    assert "\n" not in str(caught.value)
