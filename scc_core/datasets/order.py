"""The fixed, seeded, class-balanced order of a dataset's samples, of which every measurement takes a prefix."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from scc_core.datasets.base import Dataset, Labels

ORDER_VERSION = "balanced-1"
"""Part of a cell's identity: raised whenever :func:`balanced_order` changes."""


def sample_order(dataset: Dataset) -> npt.NDArray[np.int64]:
    """Return every index of ``dataset`` once, ``(N,)`` int64; see :func:`balanced_order`."""
    return balanced_order(dataset.images_name, dataset.labels)


def balanced_order(images_name: str, labels: Labels) -> npt.NDArray[np.int64]:
    """Return every index of the samples with these labels once, ``(N,)`` int64.

    The order depends on the images' name and on the labels, and on nothing else. Samples of a class are shuffled by a
    hash, then classes take turns, so that every prefix holds the classes in equal numbers as far as the dataset has
    them.
    """
    keys = (f"{images_name}:{index}".encode() for index in range(len(labels)))
    hashes = np.array([int.from_bytes(hashlib.sha256(key).digest()[:8], "little") for key in keys], dtype=np.uint64)
    by_class = np.lexsort((hashes, labels))
    sorted_labels = labels[by_class]
    first_of_class = np.searchsorted(sorted_labels, sorted_labels, side="left")
    turn = np.empty(len(labels), dtype=np.int64)
    turn[by_class] = np.arange(len(labels)) - first_of_class
    return np.lexsort((hashes, turn)).astype(np.int64)
