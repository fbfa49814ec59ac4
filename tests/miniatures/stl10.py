"""STL-10's binary files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.miniatures.images import Expected, Shown, pixels


def write_stl10(data: Path) -> Expected:
    """Write two images of every class; labels begin at 1 in the file, pixels go by channel and then by column."""
    folder = data / "stl10_binary"
    folder.mkdir(parents=True)
    shown = [Shown(serial, serial % 10) for serial in range(20)]
    images = np.stack([pixels(serial, 96, 96).transpose(2, 1, 0) for serial, _ in shown])
    (folder / "test_X.bin").write_bytes(images.tobytes())
    (folder / "test_y.bin").write_bytes(bytes(label + 1 for _, label in shown))
    (folder / "class_names.txt").write_text("\n".join(_CLASS_NAMES) + "\n")
    return shown


_CLASS_NAMES = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
