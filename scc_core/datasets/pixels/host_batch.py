"""A batch of prepared images in this machine's memory, ready to be copied to the device."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from scc_core.datasets.pixels.sources import Pixels, Positions


class Request(NamedTuple):
    """Which images, and for what kind of device.

    Attributes:
        positions: in the order of the dataset.
        pinned: whether they go to a GPU, which only pinned memory is copied to while others compute.
    """

    positions: tuple[int, ...]
    pinned: bool


class HostBatches:
    """Gathers images.

    Args:
        pixels: where they come from.
        name: of the dataset, for errors.
        size: number of its samples.
        image_size: side of the images in pixels.
    """

    def __init__(self, pixels: Pixels, name: str, size: int, image_size: int) -> None:
        self._pixels = pixels
        self._name = name
        self._size = size
        self._image_size = image_size

    def __call__(self, request: Request) -> Tensor:
        """Return ``(n, side, side, 3)`` uint8.

        Raises:
            ComponentError: the dataset cannot read a sample; names both.
            IndexError: a position is out of range.
        """
        chosen: Positions = np.array(request.positions, dtype=np.int64)
        if len(chosen) and not (chosen.min() >= 0 and chosen.max() < self._size):
            raise IndexError(f"{self._name} has {self._size} samples, not {chosen.min()} to {chosen.max()}")
        shape = (len(chosen), self._image_size, self._image_size, 3)
        images = torch.empty(shape, dtype=torch.uint8, pin_memory=request.pinned)
        self._pixels.gather(chosen, images.numpy())
        return images
