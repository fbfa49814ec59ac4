"""Describable Textures: a list of ``CLASS/IMAGE`` per partition and split."""

from __future__ import annotations

from pathlib import Path

from scc_core.datasets.cards import Description
from scc_core.datasets.files.readers.listed import listed_samples, read_entries
from scc_core.datasets.files.samples import FileSamples


def read(folder: Path, description: Description) -> FileSamples:
    """Read ``labels/test1.txt``, the test images of the first partition."""
    list_file = folder / "labels" / "test1.txt"
    entries = read_entries(list_file, r"(?P<path>(?P<name>[^/]*)/[^/]*)")
    return listed_samples(list_file, folder / "images", description, entries)
