"""Where the pixels of a batch come from: decoded in this process, or mapped from the store of the machine."""

from __future__ import annotations

import hashlib
from functools import partial
from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt

from scc_core.datasets.pixels.decode_and_resize import Preparer
from scc_core.datasets.pixels.disk_cache import CHUNK_SIZE, Chunk, ImageStore, Preparation
from scc_core.datasets.pixels.disk_cache.chunk import Uint8Images
from scc_core.datasets.pixels.lru import Recent

Positions = npt.NDArray[np.int64]
MAX_MAPPED_CHUNKS = 64
"""Each keeps a file descriptor, of which a process has about a thousand."""


class Pixels(Protocol):
    """Prepared images by their position in the order of a dataset."""

    def gather(self, positions: Positions, out: Uint8Images) -> None:
        """Write the images at ``positions``, ``(n,)`` within range, to ``out``, ``(n, side, side, 3)`` uint8."""


class DecodedPixels:
    """Images decoded in this process, the latest of which are kept in memory.

    Args:
        preparer: makes them.
        order: ``(N,)`` int64, the index at every position.
        max_bytes: how much memory they may take.
    """

    def __init__(self, preparer: Preparer, order: Positions, max_bytes: int) -> None:
        self._preparer = preparer
        self._order = order
        self._images: Recent[int, Uint8Images] = Recent(max_bytes // (3 * preparer.image_size**2))

    def gather(self, positions: Positions, out: Uint8Images) -> None:
        """Decode what is not in memory."""
        for row, index in enumerate(self._order[positions].tolist()):
            out[row] = self._images.get(index, partial(self._preparer.image, index))


class StoredPixels:
    """Images of the machine's store, chunks of which are decoded by whichever process needs them first.

    Args:
        store: of the machine.
        preparation: whose images.
        preparer: makes those that the store lacks.
        order: ``(N,)`` int64, the index at every position.
        max_bytes: how much this process keeps mapped, or in memory where the store fails.
    """

    def __init__(
        self, store: ImageStore, preparation: Preparation, preparer: Preparer, order: Positions, max_bytes: int
    ) -> None:
        self._store = store
        self._preparation = preparation
        self._preparer = preparer
        self._order = order
        chunk_bytes = CHUNK_SIZE * 3 * preparer.image_size**2
        self._chunks: Recent[int, Uint8Images] = Recent(min(max_bytes // chunk_bytes, MAX_MAPPED_CHUNKS))

    def gather(self, positions: Positions, out: Uint8Images) -> None:
        """Copy the images of every chunk in one go."""
        numbers = positions // CHUNK_SIZE
        starts = np.flatnonzero(np.diff(numbers, prepend=-1)).tolist()
        for start, stop in pairwise([*starts, len(positions)]):
            number = int(numbers[start])
            rows = positions[start:stop] - number * CHUNK_SIZE
            # Other modes make a copy on the way; the rows are in range.
            np.take(self._chunk(number), rows, axis=0, out=out[start:stop], mode="clip")

    def _chunk(self, number: int) -> Uint8Images:
        indices = self._order[number * CHUNK_SIZE : (number + 1) * CHUNK_SIZE]
        chunk = Chunk(self._preparation, number, len(indices))
        self._store.touch(chunk)
        return self._chunks.get(number, lambda: self._store.chunk(chunk, lambda: self._preparer.images(indices)))


def order_digest(order: Positions) -> str:
    """Return the SHA-256 of an order, in hexadecimal."""
    return hashlib.sha256(order.astype("<i8").tobytes()).hexdigest()
