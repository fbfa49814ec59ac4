"""Oxford-IIIT Pet: a list of image names with the number of the breed."""

from __future__ import annotations

from pathlib import Path

from scc_core.datasets.cards import Description
from scc_core.datasets.files.readers.listed import read_entries
from scc_core.datasets.files.samples import FileSamples, Sample


def read(folder: Path, description: Description) -> FileSamples:  # noqa: ARG001
    """Read ``annotations/test.txt``: lines ``NAME CLASS SPECIES BREED``, classes from 1."""
    entries = read_entries(folder / "annotations" / "test.txt", _parse)
    return FileSamples(folder / "images", (Sample(path, int(number) - 1) for path, number in entries))


def _parse(line: str) -> tuple[str, str]:
    name, number, _, _ = line.split()
    int(number)
    return f"{name}.jpg", number
