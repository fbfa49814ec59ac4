"""STL-10's binary files: images of 96 x 96 pixels, stored by channel and then by column."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scc_core.datasets.base import Uint8Image
from scc_core.datasets.cards import Description
from scc_core.datasets.files.samples import ArraySamples
from scc_core.errors import UserError

_SIDE = 96
_SHAPE = (_SIDE, _SIDE, 3)
_BYTES = 3 * _SIDE * _SIDE


def read(folder: Path, description: Description) -> ArraySamples:
    """Read the labels, which begin at 1, from ``test_y.bin``; each image is one seek in ``test_X.bin``."""
    pixels_file, labels_file = folder / "test_X.bin", folder / "test_y.bin"
    labels = np.fromfile(labels_file, dtype=np.uint8).astype(np.int64) - 1
    if pixels_file.stat().st_size != _BYTES * len(labels):
        raise UserError(
            f"dataset {description.card.name}: {pixels_file} has {pixels_file.stat().st_size:,} bytes, "
            f"which {len(labels):,} labels do not fit; unpack the archive again"
        )

    def pixels(index: int) -> Uint8Image:
        # A mapped file that somebody truncates would end the process.
        with pixels_file.open("rb") as file:
            file.seek(index * _BYTES)
            content = file.read(_BYTES)
        if len(content) != _BYTES:
            raise OSError(f"{pixels_file.name} is truncated")
        return np.frombuffer(content, np.uint8).reshape(3, _SIDE, _SIDE).transpose(2, 1, 0)

    return ArraySamples([pixels_file], labels, _SHAPE, pixels, pixels_file.name, labels_file)
