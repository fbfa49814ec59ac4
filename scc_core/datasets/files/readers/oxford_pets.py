"""Oxford-IIIT Pet: a list of image names with the number of the breed."""

from __future__ import annotations

from pathlib import Path

from scc_core.datasets.cards import Description
from scc_core.datasets.files.readers.listed import read_entries
from scc_core.datasets.files.samples import FileSamples, Sample


def read(folder: Path, description: Description) -> FileSamples:  # noqa: ARG001
    """Read ``annotations/test.txt``: lines ``NAME CLASS SPECIES BREED``, classes from 1."""
    list_file = folder / "annotations" / "test.txt"
    entries = read_entries(list_file, r"(?P<path>\S+)\s+(?P<name>\d+)\s+\S+\s+\S+")
    samples = (Sample(f"{image}.jpg", int(number) - 1) for image, number in entries)
    return FileSamples(folder / "images", samples, [list_file])
