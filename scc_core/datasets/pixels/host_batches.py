"""Batches of prepared images in this machine's memory, gathered from a cache in memory or from the disk cache."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import partial
from itertools import pairwise
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from scc_core.datasets.pixels.disk_cache import CHUNK_SIZE, Chunk, DiskCache, Preparation
from scc_core.datasets.pixels.disk_cache.chunk import Uint8Images
from scc_core.datasets.pixels.preprocessing import PreparedImages

Positions = npt.NDArray[np.int64]
MAX_MAPPED_CHUNKS = 64
"""A mapped chunk keeps a file descriptor, of which a process has about a thousand."""
KeyT = TypeVar("KeyT", bound=Hashable)
ValueT = TypeVar("ValueT")


class LruCache(Generic[KeyT, ValueT]):
    """The ``capacity`` values that were asked for last; the others are made again when they are needed."""

    def __init__(self, capacity: int) -> None:
        self.capacity = max(1, capacity)
        self._values: OrderedDict[KeyT, ValueT] = OrderedDict()

    def get(self, key: KeyT, make: Callable[[], ValueT]) -> ValueT:
        """Return the value of ``key``, which ``make`` makes if it is not in the cache."""
        if key in self._values:
            self._values.move_to_end(key)
            return self._values[key]
        value = self._values[key] = make()
        if len(self._values) > self.capacity:
            self._values.popitem(last=False)
        return value


class PixelSource(Protocol):
    """Gives prepared images by their position in the order of a dataset."""

    def gather(self, positions: Positions, out: Uint8Images) -> None:
        """Write the images at ``positions``, ``(n,)`` within range, to ``out``, ``(n, side, side, 3)`` uint8."""


class MemoryCachedPixels:
    """Images that this process decodes, and keeps in memory as long as there is room.

    Args:
        images: decodes and resizes the samples.
        order: ``(N,)`` int64, the index at every position.
        max_bytes: how much memory the images may take.
    """

    def __init__(self, images: PreparedImages, order: Positions, max_bytes: int) -> None:
        self._images = images
        self._order = order
        self._cache: LruCache[int, Uint8Images] = LruCache(max_bytes // (3 * images.image_size**2))

    def gather(self, positions: Positions, out: Uint8Images) -> None:
        """Decode what is not in memory."""
        for row, index in enumerate(self._order[positions].tolist()):
            out[row] = self._cache.get(index, partial(self._images.image, index))


class DiskCachedPixels:
    """Images in chunks of the disk cache; the process that needs a chunk first decodes it for all.

    Args:
        disk_cache: of the machine.
        preparation: whose images.
        images: decodes and resizes the samples of chunks that the disk cache lacks.
        order: ``(N,)`` int64, the index at every position.
        max_bytes: how much this process keeps mapped, or in memory where the disk fails.
    """

    def __init__(
        self, disk_cache: DiskCache, preparation: Preparation, images: PreparedImages, order: Positions, max_bytes: int
    ) -> None:
        self._disk_cache = disk_cache
        self._preparation = preparation
        self._images = images
        self._order = order
        chunk_bytes = CHUNK_SIZE * 3 * images.image_size**2
        self._chunks: LruCache[int, Uint8Images] = LruCache(min(max_bytes // chunk_bytes, MAX_MAPPED_CHUNKS))

    def gather(self, positions: Positions, out: Uint8Images) -> None:
        """Copy the images of every chunk in one go."""
        numbers = positions // CHUNK_SIZE
        starts = np.flatnonzero(np.diff(numbers, prepend=-1)).tolist()
        for start, stop in pairwise([*starts, len(positions)]):
            number = int(numbers[start])
            rows = positions[start:stop] - number * CHUNK_SIZE
            # Other modes of `take` make a copy on the way; the rows are in range.
            np.take(self._chunk(number), rows, axis=0, out=out[start:stop], mode="clip")

    def _chunk(self, number: int) -> Uint8Images:
        indices = self._order[number * CHUNK_SIZE : (number + 1) * CHUNK_SIZE]
        chunk = Chunk(self._preparation, number, len(indices), self._images.content_digest(indices.tolist()))
        self._disk_cache.touch(chunk)
        return self._chunks.get(number, lambda: self._disk_cache.chunk(chunk, lambda: self._images.images(indices)))


class Request(NamedTuple):
    """Which images, and for what kind of device.

    Attributes:
        positions: in the order of the dataset.
        pinned: whether they go to a GPU, which only pinned memory is copied to while others compute.
    """

    positions: tuple[int, ...]
    pinned: bool


class HostBatches:
    """Makes host batches: tensors in this machine's memory, ready to be copied to the device.

    Args:
        source: of the pixels.
        name: of the dataset, for errors.
        size: number of its samples.
        image_size: side of the images in pixels.
    """

    def __init__(self, source: PixelSource, name: str, size: int, image_size: int) -> None:
        self._source = source
        self._name = name
        self._size = size
        self._image_size = image_size

    def __call__(self, request: Request) -> Tensor:
        """Return ``(n, side, side, 3)`` uint8.

        Raises:
            DatasetError: the dataset cannot read a sample; the text names both.
            IndexError: a position is out of range.
        """
        chosen: Positions = np.array(request.positions, dtype=np.int64)
        if len(chosen) and not (chosen.min() >= 0 and chosen.max() < self._size):
            raise IndexError(f"{self._name} has {self._size} samples, not {chosen.min()} to {chosen.max()}")
        shape = (len(chosen), self._image_size, self._image_size, 3)
        images = torch.empty(shape, dtype=torch.uint8, pin_memory=request.pinned)
        self._source.gather(chosen, images.numpy())
        return images
