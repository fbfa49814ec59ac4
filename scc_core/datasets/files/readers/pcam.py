"""PatchCamelyon's HDF5 files: one array of patches and one of labels."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np

from scc_core.datasets.base import Uint8Image
from scc_core.datasets.cards import Description
from scc_core.datasets.files.samples import ArraySamples
from scc_core.errors import UserError

_STEM = "camelyonpatch_level_2_split_test"
_SHAPE = (96, 96, 3)


class _Patches:
    """Patches of an HDF5 file, opened in each process when it first reads one.

    Neither threads nor processes may share an open HDF5 file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._array: Any = None

    def __call__(self, index: int) -> Uint8Image:
        with self._lock:
            try:
                if self._array is None:
                    import h5py

                    self._array = h5py.File(self.path, "r")["x"]
                return np.asarray(self._array[index], dtype=np.uint8)
            except (OSError, KeyError) as error:
                # HDF5's own texts have several lines.
                number = getattr(error, "errno", None)
                raise OSError(os.strerror(number) if number else "no HDF5 file of patches, or a damaged one") from error

    def __getstate__(self) -> Path:
        return self.path

    def __setstate__(self, path: Path) -> None:
        self.__init__(path)  # type: ignore[misc]


def read(folder: Path, description: Description) -> ArraySamples:
    """Read ``x`` ``(N, 96, 96, 3)`` and ``y`` ``(N, 1, 1, 1)``; label 1 is tumour tissue in the middle."""
    import h5py

    images, labels_file = folder / f"{_STEM}_x.h5", folder / f"{_STEM}_y.h5"
    for path in (images, labels_file):
        path.stat()
    try:
        with h5py.File(labels_file, "r") as file:
            labels = np.asarray(file["y"], dtype=np.int64).reshape(-1)
    except (OSError, KeyError) as error:
        name = description.card.name
        raise UserError(f"dataset {name}: {labels_file} is no HDF5 file with labels: {error}") from None
    return ArraySamples([images], labels, _SHAPE, _Patches(images), images.name, labels_file)
