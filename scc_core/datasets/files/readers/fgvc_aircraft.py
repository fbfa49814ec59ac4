"""FGVC Aircraft: a list of image numbers with the variant of each."""

from __future__ import annotations

from pathlib import Path

from scc_core.datasets.cards import Description
from scc_core.datasets.files.readers.listed import listed_samples, read_entries
from scc_core.datasets.files.samples import FileSamples


def read(folder: Path, description: Description) -> FileSamples:
    """Read ``images_variant_test.txt``: lines ``NUMBER VARIANT``, where a variant may have spaces."""
    list_file = folder / "images_variant_test.txt"
    return listed_samples(list_file, folder / "images", description, read_entries(list_file, _parse))


def _parse(line: str) -> tuple[str, str]:
    number, variant = line.split(" ", 1)
    return f"{number}.jpg", variant
