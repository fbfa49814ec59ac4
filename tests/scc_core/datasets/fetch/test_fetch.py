"""Datasets are fetched from a real server, checked, unpacked and opened; what a person must bring is sorted."""

from __future__ import annotations

import hashlib
import io
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from scc_core.datasets import open_dataset
from scc_core.datasets.cards import Download, describe_card, published_names
from scc_core.datasets.fetch import imagenet_archives
from scc_core.datasets.fetch.fetch_dataset import describe_fetchable, fetch_dataset
from scc_core.errors import NotFetchedError, UserError
from tests.miniatures import MINIATURES
from tests.miniatures.images import shows, write_image
from tests.scc_core.http_server import serve

pytestmark = pytest.mark.filterwarnings("ignore::scc_core.datasets.files.published.IncompleteDatasetWarning")


@pytest.fixture
def site(tmp_path):
    """A server of DTD's miniature in its archive; the archive's digests are in ``site.download``."""
    (tmp_path / "site").mkdir()
    MINIATURES["dtd"](tmp_path / "original")
    archive = tmp_path / "site" / "dtd-r1.0.1.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        file.add(tmp_path / "original" / "dtd" / "dtd", "dtd")
    content = archive.read_bytes()
    with serve(tmp_path / "site") as server:
        server.download = Download(
            f"{server.url}/dtd-r1.0.1.tar.gz",
            "dtd",
            md5=hashlib.md5(content).hexdigest(),
            sha256=hashlib.sha256(content).hexdigest(),
        )
        yield server


def dtd_from(*downloads: Download):
    return replace(describe_card("dtd"), download=downloads)


@pytest.mark.parametrize("keep_archives", [False, True])
def test_a_dataset_is_fetched_once_and_hashed(site, data_root, keep_archives):
    dataset = fetch_dataset(dtd_from(site.download), keep_archives=keep_archives)
    assert dataset.labels.tolist() == [0, 0, 30, 46]
    assert shows(dataset.image(2), 2)
    assert (data_root / "dtd" / "dtd-r1.0.1.tar.gz").exists() == keep_archives
    assert len(list((data_root.parent / "cache" / "manifests").glob("*.txt"))) == 1
    assert fetch_dataset(dtd_from(site.download)).version == dataset.version == open_dataset("dtd").version
    assert len(site.requests) == 1


@pytest.mark.parametrize("digest", [{"md5": "0" * 32}, {"sha256": "0" * 64}])
def test_a_file_that_is_not_the_published_one_is_not_unpacked(site, data_root, digest):
    with pytest.raises(UserError, match=r"gave has \w+ [0-9a-f]+, published is 0+: .* nothing was kept"):
        fetch_dataset(dtd_from(replace(site.download, **digest)))
    assert not (data_root / "dtd" / "dtd").exists()


def test_an_archive_that_somebody_put_there_is_checked_and_never_deleted(site, data_root):
    archive = data_root / "dtd" / "dtd-r1.0.1.tar.gz"
    archive.parent.mkdir(parents=True)
    archive.write_bytes(b"half of it")
    with pytest.raises(UserError, match=r"dtd-r1\.0\.1\.tar\.gz has MD5 .*; delete it and fetch the dataset again"):
        fetch_dataset(dtd_from(site.download))
    assert archive.read_bytes() == b"half of it"
    assert site.requests == []


@pytest.mark.parametrize("name", published_names())
def test_every_dataset_has_downloads_with_a_checksum_or_steps(name):
    description = describe_fetchable(f"{name}@ensemble")
    for file in description.download:
        assert file.url.startswith(("https://", "http://"))
        assert len(file.md5) == 32 or len(file.sha256) == 64, file.url
    assert description.download or description.card.obtain


def test_what_only_a_person_may_download_is_said_so(data_root):
    with pytest.raises(NotFetchedError, match=r"imagenet is not on this machine: .*no program may download it"):
        fetch_dataset(describe_fetchable("imagenet"))


@pytest.mark.parametrize(
    ("name", "text"),
    [("demo/shapes", "needs no fetching"), ("imagenett", r"unknown dataset 'imagenett'\. Did you mean 'imagenet'\?")],
)
def test_names_without_anything_to_fetch(name, text):
    with pytest.raises(UserError, match=text):
        describe_fetchable(name)


def write_imagenet_archives(folder: Path) -> None:
    """Write the two archives of ILSVRC 2012 with four images: flat, in the challenge's own numbering of classes."""
    folder.mkdir(parents=True)
    synsets = [(1, "n02119789", "kit fox", 0), (2, "n01440764", "tench", 0), (1001, "n00001740", "entity", 2)]
    fields = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("num_children", "O")]
    meta, truth = io.BytesIO(), b"2\n1\n1\n2\n"
    savemat(meta, {"synsets": np.array(synsets, dtype=fields)})
    kit = "ILSVRC2012_devkit_t12/data"
    files = {f"{kit}/meta.mat": meta.getvalue(), f"{kit}/ILSVRC2012_validation_ground_truth.txt": truth}
    _write_tar(folder / imagenet_archives.DEVELOPMENT_KIT.name, "w:gz", files)
    images = {}
    for number in range(1, 5):
        name = f"ILSVRC2012_val_{number:08d}.JPEG"
        write_image(folder / "made" / name, number)
        images[name] = (folder / "made" / name).read_bytes()
    _write_tar(folder / imagenet_archives.VALIDATION_IMAGES.name, "w", images)


def _write_tar(path, mode, files):
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def test_imagenet_s_archives_are_sorted_into_classes(data_root, monkeypatch):
    write_imagenet_archives(data_root / "imagenet")
    for constant in ("VALIDATION_IMAGES", "DEVELOPMENT_KIT"):
        archive = getattr(imagenet_archives, constant)
        digest = hashlib.md5((data_root / "imagenet" / archive.name).read_bytes()).hexdigest()
        monkeypatch.setattr(imagenet_archives, constant, archive._replace(md5=digest))
    dataset = fetch_dataset(describe_fetchable("imagenet"))
    kit_fox = describe_card("imagenet").class_folders.index("n02119789")
    assert dataset.labels.tolist() == [0, 0, kit_fox, kit_fox]
    assert [shows(dataset.image(index), serial) for index, serial in enumerate((1, 4, 2, 3))] == [True] * 4


def test_an_imagenet_archive_that_is_not_the_published_one_is_kept_and_named(data_root):
    write_imagenet_archives(data_root / "imagenet")
    with pytest.raises(UserError, match=r"ILSVRC2012_devkit_t12\.tar\.gz has MD5 .*; download it again"):
        fetch_dataset(describe_fetchable("imagenet"))
    assert (data_root / "imagenet" / "ILSVRC2012_devkit_t12.tar.gz").exists()
    assert not (data_root / "imagenet" / "val").exists()
