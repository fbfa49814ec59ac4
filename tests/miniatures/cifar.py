"""CIFAR's "python version": pickles of Python 2 with planar pixels and lists of labels."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np

from tests.miniatures.images import Expected, Shown, pixels


def write_cifar10(data: Path) -> Expected:
    """Write the test batch of CIFAR-10 with two images of every class, labels going down."""
    shown = [Shown(serial, 9 - serial % 10) for serial in range(20)]
    folder = data / "cifar-10-batches-py"
    _write(folder / "test_batch", shown, {"labels": [label for _, label in shown]})
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    (folder / "batches.meta").write_bytes(
        pickle.dumps({"label_names": names, "num_cases_per_batch": 10000}, protocol=2)
    )
    return shown


def write_cifar100(data: Path) -> Expected:
    """Write the test file of CIFAR-100 with one image of every third class and its coarse label."""
    shown = [Shown(serial, label) for serial, label in enumerate(range(99, -1, -3))]
    labels = [label for _, label in shown]
    coarse = [label % 20 for label in labels]
    folder = data / "cifar-100-python"
    _write(folder / "test", shown, {"fine_labels": labels, "coarse_labels": coarse})
    names = [f"class {label}" for label in range(100)]
    (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": names}, protocol=2))
    return shown


def _write(path: Path, shown: Expected, labels: dict[str, list[int]]) -> None:
    planar = np.stack([pixels(serial, 32, 32).transpose(2, 0, 1).reshape(-1) for serial, _ in shown])
    batch = {"data": planar, "batch_label": "testing batch 1 of 1", **labels}
    path.parent.mkdir(parents=True)
    # The published files name the module of NumPy 1.
    path.write_bytes(pickle.dumps(batch, protocol=2).replace(b"numpy._core.", b"numpy.core."))
