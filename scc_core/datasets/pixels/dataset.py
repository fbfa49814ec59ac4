"""A dataset seen through one preprocessing: batches of pixels, decoded once, from memory or the machine's store."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from scc_core.batch import Batch
from scc_core.datasets.base import Dataset
from scc_core.datasets.order import sample_order
from scc_core.datasets.pixels.decode_and_resize import Preparer
from scc_core.datasets.pixels.disk_cache import ImageStore, Preparation
from scc_core.datasets.pixels.host_batch import HostBatches, Request
from scc_core.datasets.pixels.prefetch import OneAhead
from scc_core.datasets.pixels.sources import DecodedPixels, Pixels, StoredPixels, order_digest

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
        pixels: Pixels = DecodedPixels(preparer, self.order, cache_bytes)
        if store is not None:
            digest = order_digest(self.order)
            preparation = Preparation(dataset.images_name, dataset.version, digest, preprocessing, image_size)
            pixels = StoredPixels(store, preparation, preparer, self.order, cache_bytes)
        # A dataset need not be prepared for two threads at once; this is never in two.
        self._host_batches = OneAhead(HostBatches(pixels, dataset.name, len(self.order), image_size))

    def __len__(self) -> int:
        return len(self.order)

    def batch(self, positions: Sequence[int], device: torch.device) -> Batch:
        """Return the samples at ``positions`` of the fixed order, pixels in [0, 1] on ``device``.

        Raises:
            ComponentError: the dataset cannot read a sample; names both.
            IndexError: a position is out of range.
        """
        pixels = self._host_batches.get(_request(positions, device)).to(device, non_blocking=True)
        indices = self.order[list(positions)]
        return Batch(
            pixels=pixels.permute(0, 3, 1, 2).contiguous().float().div_(255.0),
            labels=torch.from_numpy(self.dataset.labels[indices]).to(device),
            sample_ids=torch.from_numpy(indices).to(device),
        )

    def read_ahead(self, positions: Sequence[int], device: torch.device) -> None:
        """Begin to read the images of the next :meth:`batch` in a thread; it may be another one all the same."""
        self._host_batches.begin(_request(positions, device))


def _request(positions: Sequence[int], device: torch.device) -> Request:
    return Request(tuple(positions), device.type == "cuda")
