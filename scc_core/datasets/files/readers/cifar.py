"""CIFAR-10 and CIFAR-100 as their "python version" and torchvision keep them: pickled batches of 32 x 32 images."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from scc_core.datasets.cards import Description
from scc_core.datasets.files.samples import ArraySamples
from scc_core.errors import UserError

_SIDE = 32
_ALLOWED = frozenset(
    {
        "numpy.core.multiarray._reconstruct",
        "numpy._core.multiarray._reconstruct",
        "numpy.ndarray",
        "numpy.dtype",
        "_codecs.encode",
    }
)


class _ArraysOnly(pickle.Unpickler):
    """Loads arrays and plain values; a pickle that names anything else could run any program."""

    def find_class(self, module: str, name: str) -> Any:
        if f"{module}.{name}" not in _ALLOWED:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which no batch of images needs")
        return super().find_class(module, name)


def read(folder: Path, description: Description) -> ArraySamples:
    """Read the batch that option ``file`` names, with the labels under option ``labels``."""
    path = folder / description.options["file"]
    try:
        batch = _ArraysOnly(io.BytesIO(path.read_bytes()), encoding="latin1").load()
        images = np.asarray(batch["data"], dtype=np.uint8).reshape(-1, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1)
        labels = batch[description.options["labels"]]
    except (pickle.UnpicklingError, EOFError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"dataset {description.card.name}: {path} is no batch of CIFAR's python version: {error}"
        ) from None
    return ArraySamples([path], labels, images.shape[1:], images.__getitem__, path.name)
