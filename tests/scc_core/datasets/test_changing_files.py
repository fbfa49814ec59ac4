"""Files that change after a dataset was opened: every kind of dataset either gives the old image or names the file."""

from __future__ import annotations

import hashlib
import importlib
import os
import pkgutil
import shutil
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from scc_core.datasets import SCHEMES, Dataset, PreparedDataset, open_dataset
from scc_core.datasets.cards import describe_card, published_names
from scc_core.datasets.files import readers
from scc_core.datasets.files.decoding import is_image_name
from scc_core.datasets.files.file_dataset import FileDataset
from scc_core.datasets.files.manifest import read_manifest
from scc_core.datasets.files.readable_samples import Subset, leave_out_unreadable
from scc_core.datasets.files.readers import npz
from scc_core.datasets.files.samples import FileSamples, Sample, Samples
from scc_core.datasets.own import tar_shards
from scc_core.datasets.pixels.disk_cache import DiskCache
from scc_core.errors import ChangedDataError, DatasetError, SccBenchError, UserError
from tests.miniatures import MINIATURES, images, medical
from tests.miniatures.images import write_image
from tests.miniatures.own import write_bad_folder, write_class_folders, write_webdataset

CPU = torch.device("cpu")
SIDE = 16
HELD = {"cifar", "medmnist"}
"""Readers that hold, or unpack, all images when the dataset is opened: what happens to the file later is no matter."""

pytestmark = pytest.mark.filterwarnings("ignore::scc_core.datasets.files.published.IncompleteDatasetWarning")


def write_folder(data: Path) -> None:
    write_class_folders(data / "animals", {"cat": ["1.png", "2.jpg"], "dog": ["sub/1.png", "2.bmp"]})
    (data / "animals" / "classnames.txt").write_text("cat = house cat\ndog = dog\n")
    (data / "animals" / "templates.txt").write_text("an image of a {}.\n")


def write_split_folder(data: Path) -> None:
    write_class_folders(data / "animals" / "test", {"cat": ["1.png", "2.jpg"], "dog": ["1.png"]})
    write_class_folders(data / "animals" / "train", {"cat": ["7.png"], "dog": ["8.png"]})


def write_partly_readable_folder(data: Path) -> None:
    write_bad_folder(data / "bad")


def write_table(data: Path, name: str = "labels.csv") -> None:
    for serial in range(4):
        write_image(data / "scans" / f"{serial}.png", serial)
    rows = "".join(f"{serial}.png,{'sick' if serial % 2 else 'well'}\n" for serial in range(4))
    (data / "scans" / name).write_text(f"path,label\n{rows}")
    (data / "scans" / "templates.txt").write_text("a scan that is {}.\n")


KINDS: dict[str, Callable[[Path], object]] = {
    **MINIATURES,
    **medical.WRITERS,
    "folder:animals": write_folder,
    "folder:animals?split=test": write_split_folder,
    "folder:bad": write_partly_readable_folder,
    "folder:scans": write_table,
    "folder:scans/list.csv": partial(write_table, name="list.csv"),
    "webdataset:animals": lambda data: write_webdataset(data / "animals"),
}
"""A writer for every kind of dataset that reads files of the user's, by a name that opens it."""

FEW = [name for name in KINDS if not (name in medical.WRITERS and name[-1].isdigit())]
"""Without the same archives in other sizes."""

every_kind = pytest.mark.parametrize("name", FEW)


@pytest.fixture
def rewritten(monkeypatch, data_root) -> Callable[[str], None]:
    """Writes a dataset's miniature again with other pixels in files of the same names."""

    def rewrite(name: str) -> None:
        shutil.rmtree(data_root)
        with monkeypatch.context() as patch:
            colour, grey = images.colour, medical._grey
            patch.setattr(images, "colour", lambda serial: colour(serial + 100))
            patch.setattr(medical, "_grey", lambda serial: grey(serial) + 3)
            KINDS[name](data_root)

    return rewrite


def opened(name: str) -> FileDataset:
    """The dataset with its version, as a worker opens it."""
    dataset = open_dataset(name)
    assert isinstance(dataset, FileDataset)
    assert len(dataset.version) == 64
    return dataset


def all_images(dataset: Dataset) -> list[np.ndarray]:
    return [dataset.image(index) for index in range(len(dataset))]


def data_files(dataset: FileDataset) -> list[Path]:
    return sorted({Path(path) for index in range(len(dataset)) for path in dataset.samples.files_of(index)})


def refused(dataset: FileDataset, before: list[np.ndarray]) -> int:
    """Read every image: how many raise one line that names the sample's file. The others must be as before."""
    errors = {}
    for index, image in enumerate(before):
        try:
            np.testing.assert_array_equal(dataset.image(index), image)
        except ChangedDataError as error:
            errors[index] = str(error)
    for index, text in errors.items():
        assert dataset.samples.ids[index] in text
        assert "\n" not in text
        assert str(dataset.folder) not in text
    return len(errors)


def held(name: str) -> bool:
    return name in published_names() and describe_card(name).reader in HELD


def test_every_kind_of_dataset_that_reads_files_is_tried_here(data_root):
    """A new reader, a new scheme and a new class of samples need a kind above."""
    tried = {describe_card(name).reader for name in KINDS if name in published_names()}
    helpers = {"listed", "matlab", "npz"}
    assert tried == {module.name for module in pkgutil.iter_modules(readers.__path__)} - helpers
    assert {name.partition(":")[0] for name in KINDS if ":" in name} == set(SCHEMES)
    kinds: set[type[Samples]] = {Subset}
    for name in ("cifar10", "dtd", "webdataset:animals"):
        KINDS[name](data_root)
        kinds.add(type(open_dataset(name).samples))
    for module in pkgutil.walk_packages(importlib.import_module("scc_core.datasets").__path__, "scc_core.datasets."):
        importlib.import_module(module.name)
    assert {kind for kind in Samples.__subclasses__() if kind.__module__.startswith("scc_core")} == kinds
    # The check lies between the reading and the decoding of a sample, which no kind may do in one.
    assert [kind for kind in kinds if "image" in vars(kind)] == []


@every_kind
def test_overwritten(name, data_root, rewritten):
    KINDS[name](data_root)
    before = all_images(opened(name))
    dataset = opened(name)
    stamps = {path: path.stat().st_mtime_ns for path in data_files(dataset)}
    rewritten(name)
    for path, stamp in stamps.items():
        os.utime(path, ns=(stamp, stamp))
    count = refused(dataset, before)
    unaffected = 3 if name == "folder:bad" else 0
    assert count == (0 if held(name) else len(before) - unaffected)
    assert opened(name).version != dataset.version


@every_kind
@pytest.mark.parametrize("damage", ["truncated", "deleted", "made a folder"])
def test_damaged(name, damage, data_root):
    KINDS[name](data_root)
    before = all_images(opened(name))
    dataset = opened(name)
    for path in data_files(dataset):
        if damage == "truncated":
            os.truncate(path, path.stat().st_size // 3)
        else:
            path.unlink()
        if damage == "made a folder":
            path.mkdir()
    count = refused(dataset, before)
    # The first third of an archive may hold whole images.
    assert count == (0 if held(name) else len(before)) or (damage == "truncated" and 0 < count < len(before))


@every_kind
def test_what_was_prepared_from_other_files_is_never_served(name, data_root, rewritten, tmp_path):
    """Also not by a process that comes after the files were restored."""
    KINDS[name](data_root)
    kept = tmp_path / "kept"
    shutil.copytree(data_root, kept, symlinks=True)
    expected = PreparedDataset(open_dataset(name), "native", SIDE).batch(range(len(opened(name))), CPU).pixels
    whole = range(len(expected))
    prepared = PreparedDataset(opened(name), "native", SIDE, disk_cache=DiskCache(tmp_path / "prepared", 2**30))
    rewritten(name)
    if held(name):
        assert prepared.batch(whole, CPU).pixels.equal(expected)
    else:
        with pytest.raises(DatasetError, match="could not read sample"):
            prepared.batch(whole, CPU)
        assert list((tmp_path / "prepared").glob("*/*")) == []
    shutil.rmtree(data_root)
    shutil.copytree(kept, data_root, symlinks=True)
    again = PreparedDataset(opened(name), "native", SIDE, disk_cache=DiskCache(tmp_path / "prepared", 2**30))
    assert again.batch(whole, CPU).pixels.equal(expected)


def described(name: str) -> object:
    """What a run takes from everything but the images; an error where the dataset does not open."""
    with suppress(SccBenchError):
        dataset = opened(name)
        return dataset.version, dict(dataset.prompts())
    return None


NOT_WATCHED = {"class_folders"}
"""Readers of images alone, whose class names lie in this package."""


def texts(name: str, data: Path) -> list[Path]:
    """The files of a miniature that are no images, without what the dataset does not need."""
    before, found = described(name), []
    for path in sorted(path for path in data.rglob("*") if path.is_file() and not is_image_name(path)):
        content = path.read_bytes()
        path.unlink()
        if described(name) != before:
            found.append(path)
        path.write_bytes(content)
    return found


@every_kind
def test_each_file_that_labels_and_names_come_from_is_watched(name, data_root):
    KINDS[name](data_root)
    needed = texts(name, data_root)
    assert needed or name in ("folder:bad", "folder:animals?split=test") or describe_card(name).reader in NOT_WATCHED
    for path in needed:
        dataset = opened(name)
        assert dataset.changed_file() is None
        content, status = path.read_bytes(), path.stat()
        path.write_bytes(content[:-1] + b"x")
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert dataset.changed_file() == path.relative_to(dataset.folder).as_posix()
        path.unlink()
        assert dataset.changed_file() == path.relative_to(dataset.folder).as_posix()
        path.write_bytes(content)


def test_texts_that_come_and_class_folders_that_come_or_change_are_noticed(data_root):
    write_class_folders(data_root / "animals", {"cat": ["1.png", "2.png"], "dog": ["1.png"]})
    root, name = data_root / "animals", "folder:animals"
    (root / "dog" / "left_out.png").write_bytes(b"")
    changes: list[tuple[Callable[[], object], str]] = [
        (lambda: (root / "owl").mkdir(), "the folder animals"),
        (lambda: (root / "templates.txt").write_text("an image of a {}.\n"), "templates.txt"),
        (lambda: (root / "classnames.txt").write_text("cat\nhound\nowl\n"), "classnames.txt"),
        (lambda: (root / "cat" / "2.png").rename(root / "dog" / "2.png"), "cat"),
        (lambda: (root / "labels.csv").write_text("path,label\ncat/1.png,dog\n"), "labels.csv"),
    ]
    for change, file in changes:
        dataset, before = opened(name), described(name)
        assert dataset.changed_file() is None
        change()
        assert dataset.changed_file() == file
        assert described(name) != before


def test_an_image_that_moves_to_another_class_folder_is_noticed_in_a_published_dataset(data_root):
    MINIATURES["eurosat"](data_root)
    dataset = opened("eurosat")
    image = data_files(dataset)[0]
    image.rename(data_root / "eurosat" / "2750" / "River" / image.name)
    assert dataset.changed_file() == f"2750/{image.parent.name}"


def test_a_kept_digest_that_never_was_the_file_s_is_forgotten_with_the_first_refusal(data_root):
    """A file may change without its stamp where a system's clock is coarse: no run may be stuck with that."""
    write_folder(data_root)
    version = opened("folder:animals").version
    (kept,) = (data_root.parent / "cache" / "manifests").glob("*.txt")
    digest = hashlib.sha256((data_root / "animals/cat/2.jpg").read_bytes()).hexdigest()
    kept.write_text(kept.read_text().replace(digest, "0" * 64))
    stale = opened("folder:animals")
    assert stale.version != version
    with pytest.raises(ChangedDataError, match=r"^cat/2\.jpg has changed: it is not what version"):
        all_images(stale)
    assert opened("folder:animals").version == version
    assert len(all_images(opened("folder:animals"))) == 4


def test_a_digest_of_contents_is_that_of_their_bytes_in_their_order(data_root):
    write_folder(data_root)
    dataset = opened("folder:animals")
    digests = {dataset.content_digest(chosen) for chosen in ([0, 1], [1, 0], [0], [])}
    assert len(digests) == 4
    path = data_root / "animals" / dataset.samples.ids[1]
    path.write_bytes(path.read_bytes() + b"\0")
    again = opened("folder:animals")
    assert again.content_digest([0]) == dataset.content_digest([0])
    assert again.content_digest([0, 1]) not in digests


class Restless(FileSamples):
    """Its first file is written to whenever it is read."""

    def content(self, index):
        content = super().content(index)
        if index == 0:
            self.path(0).write_bytes(content + b"more")
        return content


def test_a_file_that_changes_while_it_is_hashed_or_checked_is_refused(data_root):
    write_folder(data_root)
    samples = Restless(data_root / "animals", [Sample("cat/1.png", 0), Sample("cat/2.jpg", 0)])
    for read in (read_manifest, leave_out_unreadable):
        with pytest.raises(UserError, match=r"dataset set: cat/1\.png changes while it is read"):
            read(samples, "set", data_root)
    assert list((data_root.parent / "cache").rglob("*.txt")) == []


def test_an_archive_that_changes_while_it_is_indexed_or_unpacked_is_refused(data_root, monkeypatch):
    write_webdataset(data_root / "animals")
    build, unpack = tar_shards._build, npz._unpack
    monkeypatch.setattr(tar_shards, "_build", lambda path: (build(path), os.utime(path))[0])
    with pytest.raises(UserError, match=r"0\.tar changes while it is read"):
        open_dataset("webdataset:animals")
    medical.WRITERS["dermamnist"](data_root)
    monkeypatch.setattr(npz, "_unpack", lambda path, *rest: (unpack(path, *rest), os.utime(path)))
    with pytest.raises(UserError, match=r"dermamnist\.npz changes while it is read"):
        open_dataset("dermamnist")


def test_names_that_are_no_text_are_told_in_one_line_that_can_be_stored(data_root):
    write_folder(data_root)
    odd = data_root / "animals" / "cat" / os.fsdecode(b"gr\xfc\nn.png")
    (data_root / "animals" / "cat" / "1.png").rename(odd)
    dataset = PreparedDataset(opened("folder:animals"), "native", SIDE)
    odd.write_bytes(b"")
    with pytest.raises(DatasetError, match=r"cat/gr\? n\.png has changed") as caught:
        dataset.batch(range(4), CPU)
    assert str(caught.value).isprintable()
