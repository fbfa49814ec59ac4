"""Tiny-ImageNet's validation split: one folder of images and a table with the class of each."""

from __future__ import annotations

from pathlib import Path

from scc_core.datasets.cards import Description
from scc_core.datasets.files.readers.listed import listed_samples, read_entries
from scc_core.datasets.files.samples import FileSamples


def read(folder: Path, description: Description) -> FileSamples:
    """Read ``val_annotations.txt``: image, WordNet id and the four sides of a box, between tabulators."""
    list_file = folder / "val_annotations.txt"
    entries = read_entries(list_file, r"(?P<path>[^\t]*)\t(?P<name>[^\t]*)(\t.*)?")
    return listed_samples(list_file, folder / "images", description, entries)
