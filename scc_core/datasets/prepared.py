"""A dataset seen through one preprocessing: batches of pixels, with a bounded cache of decoded images."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import torch

from scc_core.batch import Batch
from scc_core.datasets.base import Dataset, Uint8Image
from scc_core.datasets.preprocessing import get_preprocessing
from scc_core.datasets.sampling import sample_order

CACHE_BYTES = 256 * 2**20


class PreparedDataset:
    """Samples of a dataset by their position in its fixed order, resized for a model.

    Args:
        dataset: where images and labels come from.
        preprocessing: ``native`` or ``paper``.
        image_size: side of the square images in pixels.
        cache_bytes: how much memory decoded images may take; the least recently used go first.
    """

    def __init__(self, dataset: Dataset, preprocessing: str, image_size: int, cache_bytes: int = CACHE_BYTES) -> None:
        self.dataset = dataset
        self.image_size = image_size
        self.order = sample_order(dataset)
        self._transform = get_preprocessing(preprocessing)
        self._capacity = max(1, cache_bytes // (3 * image_size * image_size))
        self._cache: OrderedDict[int, Uint8Image] = OrderedDict()

    def __len__(self) -> int:
        return len(self.order)

    def batch(self, positions: Sequence[int], device: torch.device) -> Batch:
        """Return the samples at ``positions`` of the fixed order, pixels in [0, 1] on ``device``."""
        indices = self.order[list(positions)]
        pixels = torch.from_numpy(np.stack([self._image(int(index)) for index in indices]))
        return Batch(
            pixels=pixels.to(device).permute(0, 3, 1, 2).contiguous().float().div_(255.0),
            labels=torch.from_numpy(self.dataset.labels[indices]).to(device),
            sample_ids=torch.from_numpy(indices).to(device),
        )

    def _image(self, index: int) -> Uint8Image:
        if index in self._cache:
            self._cache.move_to_end(index)
            return self._cache[index]
        image = self._transform(self.dataset.image(index), self.image_size)
        self._cache[index] = image
        if len(self._cache) > self._capacity:
            self._cache.popitem(last=False)
        return image
