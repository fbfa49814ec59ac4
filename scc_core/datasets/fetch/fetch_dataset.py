"""Bring a dataset onto this machine ahead of a run: download, check, unpack, open, hash."""

from __future__ import annotations

from contextlib import suppress

from scc_core.datasets.base import Dataset
from scc_core.datasets.cards import Description, Download
from scc_core.datasets.fetch.imagenet_archives import sort_validation_images
from scc_core.datasets.fetch.unpack import unpack
from scc_core.datasets.files.published import PublishedDataset, PublishedEntry, open_described
from scc_core.datasets.own import webdataset
from scc_core.datasets.registry import SCHEMES, datasets, open_dataset
from scc_core.errors import NotFetchedError, UserError
from scc_core.machine.download import digest_fault, download
from scc_core.machine.file_lock import file_lock
from scc_core.machine.folders import cache_folder, data_folder


def is_address(name: str) -> bool:
    """Tell whether ``name`` is an address of the user's own data, such as ``webdataset:URL``, not of a card."""
    return name.partition(":")[0] in SCHEMES


def fetch_address(name: str) -> Dataset:
    """Download what lies behind an address, open it and hash it.

    Raises:
        UserError: it lies on this machine already, there is nothing behind the URL, or the connection failed.
    """
    scheme, _, address = name.partition(":")
    if scheme != webdataset.SCHEME:
        raise UserError(f"{name} lies on this machine already; only {webdataset.SCHEME}:URL is downloaded")
    webdataset.fetch_webdataset(address)
    dataset = open_dataset(name)
    _ = dataset.version
    return dataset


def describe_fetchable(name: str) -> Description:
    """Return the description of the dataset called ``name``; of ``NAME@ensemble`` that of ``NAME``.

    Raises:
        UserError: no such dataset, or one that has nothing to fetch.
    """
    base = name.partition("@")[0]
    entry = datasets.get(base)
    if not isinstance(entry, PublishedEntry):
        raise UserError(f"dataset {base!r} needs no fetching: it comes with the package that registers it")
    return entry.description


def fetch_dataset(description: Description, *, keep_archives: bool = False) -> PublishedDataset:
    """Make sure that a dataset is on this machine and return it, hashed.

    Of several processes one downloads and the others wait. A dataset that is complete is neither downloaded nor
    unpacked again. An interrupted download is continued.

    Args:
        description: which.
        keep_archives: leave the archives beside what was unpacked from them.

    Raises:
        NotFetchedError: no program may download it, and the files that a person has to bring are not there.
        UserError: a download or an archive that is broken, or no space.
    """
    with file_lock(cache_folder() / "fetching" / f"{description.card.name}.lock"):
        dataset = None
        with suppress(NotFetchedError):
            dataset = open_described(description)
        if dataset is None:
            if description.card.name == "imagenet":
                # Only a person may download its archives.
                sort_validation_images(data_folder() / description.folder)
            for file in description.download:
                _bring(file, keep_archives)
            dataset = open_described(description)
    # A run needs the digests of all images first.
    _ = dataset.version
    return dataset


def _bring(file: Download, keep_archives: bool) -> None:
    folder = data_folder() / file.into
    path = folder / file.url.partition("?")[0].rpartition("/")[2]
    fault = digest_fault(path, md5=file.md5, sha256=file.sha256) if path.exists() else ""
    if fault:
        raise UserError(f"{path} {fault}; delete it and fetch the dataset again")
    download(file.url, path, md5=file.md5, sha256=file.sha256)
    if file.unpack:
        unpack(path, folder, inner=file.inner)
        if not keep_archives:
            path.unlink()
