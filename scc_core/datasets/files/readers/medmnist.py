"""MedMNIST's npz archives: arrays ``test_images`` of 28, 64, 128 or 224 pixels, grey or RGB, and ``test_labels``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scc_core.datasets.cards import Description
from scc_core.datasets.files.readers.npz import read_array
from scc_core.datasets.files.samples import ArraySamples
from scc_core.errors import UserError


def read(folder: Path, description: Description) -> ArraySamples:
    """Read the split that the card names from the archive that option ``file`` names, without loading its images."""
    path = folder / description.options["file"]
    split = description.card.split
    images, labels = read_array(path, f"{split}_images"), read_array(path, f"{split}_labels")
    if images.dtype != np.uint8 or images.shape[3:] not in ((), (1,), (3,)):
        raise UserError(f"{path}: images are {images.shape} {images.dtype}, expected (N, H, W) or (N, H, W, 3) uint8")
    if labels.shape not in ((len(images), 1), (len(images),)):
        raise UserError(f"{path}: labels are {labels.shape} for {len(images)} images, expected one per image")
    return ArraySamples([path], labels.reshape(-1), images.shape[1:], images.__getitem__, f"{path.name}/{split}")
