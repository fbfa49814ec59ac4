"""Oxford Flowers-102: MATLAB files with the label of every image and the numbers of the images of each split."""

from __future__ import annotations

from pathlib import Path

from scc_core.datasets.cards import Description
from scc_core.datasets.files.readers.matlab import load_matlab
from scc_core.datasets.files.samples import FileSamples, Sample


def read(folder: Path, description: Description) -> FileSamples:  # noqa: ARG001
    """Read ``tstid`` of ``setid.mat`` and ``labels`` of ``imagelabels.mat``; images and labels are numbered from 1."""
    numbers_file, labels_file = folder / "setid.mat", folder / "imagelabels.mat"
    (numbers,) = load_matlab(numbers_file, "tstid")
    (labels,) = load_matlab(labels_file, "labels")
    return FileSamples(
        folder / "jpg",
        (Sample(f"image_{number:05d}.jpg", int(labels[number - 1]) - 1) for number in numbers.tolist()),
        [numbers_file, labels_file],
    )
