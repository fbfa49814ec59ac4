"""A dataset seen through one preprocessing: batches of pixels, decoded once, from memory or the machine's store."""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from contextlib import closing

import numpy as np
import torch
from torch import Tensor

from scc_core.ahead import one_ahead
from scc_core.batch import Batch
from scc_core.datasets.base import Dataset
from scc_core.datasets.image_store import ImageStore, Preparation
from scc_core.datasets.pixels import DecodedPixels, Pixels, Positions, StoredPixels, order_digest
from scc_core.datasets.preparer import Preparer
from scc_core.datasets.sampling import sample_order

CACHE_BYTES = 256 * 2**20


class PreparedDataset:
    """Samples of a dataset by their position in its fixed order, resized for a model.

    Args:
        dataset: where images and labels come from.
        preprocessing: ``native`` or ``paper``.
        image_size: side of the square images in pixels.
        cache_bytes: how much decoded images may take in memory, or how much of the store is mapped at a time; the
            least recently used go first.
        store: of prepared images, shared by the processes of this machine; None decodes in this process.
    """

    def __init__(
        self,
        dataset: Dataset,
        preprocessing: str,
        image_size: int,
        cache_bytes: int = CACHE_BYTES,
        store: ImageStore | None = None,
    ) -> None:
        self.dataset = dataset
        self.image_size = image_size
        self.order = sample_order(dataset)
        preparer = Preparer(dataset, preprocessing, image_size)
        self._pixels: Pixels = DecodedPixels(preparer, self.order, cache_bytes)
        if store is not None:
            preparation = Preparation(
                dataset.images_name, dataset.version, order_digest(self.order), preprocessing, image_size
            )
            self._pixels = StoredPixels(store, preparation, preparer, self.order, cache_bytes)
        self._one_at_a_time = threading.Lock()

    def __len__(self) -> int:
        return len(self.order)

    def batch(self, positions: Sequence[int], device: torch.device) -> Batch:
        """Return the samples at ``positions`` of the fixed order, pixels in [0, 1] on ``device``.

        Raises:
            ComponentError: the dataset cannot read a sample; names both.
            IndexError: a position is out of range.
        """
        return self._on_device(positions, self._gather(positions, device), device)

    def batches(self, groups: Sequence[Sequence[int]], device: torch.device) -> Generator[Batch, None, None]:
        """Yield :meth:`batch` of every group of positions, the next one's images being read meanwhile."""
        with closing(one_ahead(lambda positions: self._gather(positions, device), groups)) as gathered:
            for positions, pixels in zip(groups, gathered, strict=True):
                yield self._on_device(positions, pixels, device)

    def _gather(self, positions: Sequence[int], device: torch.device) -> Tensor:
        """Return ``(n, side, side, 3)`` uint8 in this machine's memory, pinned for a GPU."""
        chosen: Positions = np.asarray(positions, dtype=np.int64)
        if len(chosen) and not (chosen.min() >= 0 and chosen.max() < len(self)):
            raise IndexError(f"{self.dataset.name} has {len(self)} samples, not {chosen.min()} to {chosen.max()}")
        shape = (len(chosen), self.image_size, self.image_size, 3)
        pixels = torch.empty(shape, dtype=torch.uint8, pin_memory=device.type == "cuda")
        # A dataset need not be prepared for two threads at once.
        with self._one_at_a_time:
            self._pixels.gather(chosen, pixels.numpy())
        return pixels

    def _on_device(self, positions: Sequence[int], pixels: Tensor, device: torch.device) -> Batch:
        indices = self.order[list(positions)]
        pixels = pixels.to(device, non_blocking=True)
        return Batch(
            pixels=pixels.permute(0, 3, 1, 2).contiguous().float().div_(255.0),
            labels=torch.from_numpy(self.dataset.labels[indices]).to(device),
            sample_ids=torch.from_numpy(indices).to(device),
        )
