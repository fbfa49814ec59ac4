"""CIFAR's "python version": pickles of Python 2 with planar pixels and lists of labels."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np

from tests.miniatures.images import Expected, Shown, pixels


def write_cifar10(data: Path) -> Expected:
    """Write the test batch of CIFAR-10 with two images of every class, labels going down."""
    shown = [Shown(serial, 9 - serial % 10) for serial in range(20)]
    _write(data / "cifar-10-batches-py" / "test_batch", shown, {"labels": [label for _, label in shown]})
    return shown


def _write(path: Path, shown: Expected, labels: dict[str, list[int]]) -> None:
    planar = np.stack([pixels(serial, 32, 32).transpose(2, 0, 1).reshape(-1) for serial, _ in shown])
    batch = {"data": planar, "batch_label": "testing batch 1 of 1", **labels}
    path.parent.mkdir(parents=True)
    # The published files name the module of NumPy 1.
    path.write_bytes(pickle.dumps(batch, protocol=2).replace(b"numpy._core.", b"numpy.core."))
