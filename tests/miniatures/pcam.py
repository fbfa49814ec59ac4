"""PatchCamelyon's HDF5 files."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from tests.miniatures.images import Expected, Shown, pixels


def write_pcam(data: Path) -> Expected:
    """Write six patches in chunks, as the published file has them, and their labels in four dimensions."""
    folder = data / "pcam"
    folder.mkdir(parents=True)
    shown = [Shown(serial, label) for serial, label in enumerate((0, 1, 1, 0, 1, 0))]
    patches = np.stack([pixels(serial, 96, 96) for serial, _ in shown])
    labels = np.array([label for _, label in shown], dtype=np.uint8).reshape(-1, 1, 1, 1)
    with h5py.File(folder / "camelyonpatch_level_2_split_test_x.h5", "w") as file:
        file.create_dataset("x", data=patches, chunks=(2, 96, 96, 3))
    with h5py.File(folder / "camelyonpatch_level_2_split_test_y.h5", "w") as file:
        file.create_dataset("y", data=labels)
    return shown
