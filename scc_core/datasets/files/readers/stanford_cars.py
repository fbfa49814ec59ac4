"""Stanford Cars: a MATLAB file with the name and the class of every test image."""

from __future__ import annotations

from pathlib import Path

from scc_core.datasets.cards import Description
from scc_core.datasets.files.readers.matlab import load_matlab
from scc_core.datasets.files.samples import FileSamples, Sample


def read(folder: Path, description: Description) -> FileSamples:  # noqa: ARG001
    """Read ``annotations`` of ``cars_test_annos_withlabels.mat``; classes are numbered from 1."""
    annotations_file = folder / "cars_test_annos_withlabels.mat"
    (annotations,) = load_matlab(annotations_file, "annotations")
    samples = (Sample(str(row["fname"].item()), int(row["class"].item()) - 1) for row in annotations)
    return FileSamples(folder / "cars_test", samples, [annotations_file])
