"""FGVC Aircraft: a list of image numbers with the variant of each."""

from __future__ import annotations

from pathlib import Path

from scc_core.datasets.cards import Description
from scc_core.datasets.files.readers.listed import listed_samples, read_entries
from scc_core.datasets.files.samples import FileSamples


def read(folder: Path, description: Description) -> FileSamples:
    """Read ``images_variant_test.txt``: lines ``NUMBER VARIANT``, where a variant may have spaces."""
    list_file = folder / "images_variant_test.txt"
    entries = read_entries(list_file, r"(?P<path>[^ ]*) (?P<name>.*)")
    images = ((f"{number}.jpg", variant) for number, variant in entries)
    return listed_samples(list_file, folder / "images", description, images)
