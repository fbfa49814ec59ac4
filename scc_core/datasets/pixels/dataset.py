"""A dataset seen through one preprocessing: batches of pixels on a device, each image decoded once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch

from scc_core.batch import Batch
from scc_core.datasets.base import Dataset
from scc_core.datasets.order import sample_order
from scc_core.datasets.pixels.disk_cache import DiskCache, Preparation
from scc_core.datasets.pixels.host_batches import (
    DiskCachedPixels,
    HostBatches,
    MemoryCachedPixels,
    PixelSource,
    Request,
)
from scc_core.datasets.pixels.prefetch import Prefetcher
from scc_core.datasets.pixels.preprocessing import PREPROCESSING_VERSIONS, PreparedImages

CACHE_BYTES = 256 * 2**20


class PreparedDataset:
    """Samples of a dataset by their position in its fixed order, resized for a model.

    Args:
        dataset: where images and labels come from.
        preprocessing: ``native`` or ``paper``.
        image_size: side of the square images in pixels.
        cache_bytes: how much decoded images may take in memory, or how much of the disk cache is mapped at a time; the
            least recently used go first.
        disk_cache: of prepared images, shared by the processes of this machine; None decodes in this process.
        code: what identifies the code of a dataset of a user's own; other code has other images in the disk cache.
    """

    def __init__(
        self,
        dataset: Dataset,
        preprocessing: str,
        image_size: int,
        cache_bytes: int = CACHE_BYTES,
        disk_cache: DiskCache | None = None,
        code: str | None = None,
    ) -> None:
        self.dataset = dataset
        self.image_size = image_size
        self.order = sample_order(dataset)
        images = PreparedImages(dataset, preprocessing, image_size)
        source: PixelSource = MemoryCachedPixels(images, self.order, cache_bytes)
        if disk_cache is not None:
            order = hashlib.sha256(self.order.astype("<i8").tobytes()).hexdigest()
            numerics = PREPROCESSING_VERSIONS[preprocessing]
            beyond = [str(part) for part in (code, numerics) if part not in (None, 1)]
            version = " ".join([str(dataset.version), *beyond]) if beyond else dataset.version
            preparation = Preparation(dataset.images_name, version, order, preprocessing, image_size)
            source = DiskCachedPixels(disk_cache, preparation, images, self.order, cache_bytes)
        # A dataset must not be read by two threads at once; the prefetcher sees to that.
        self._host_batches = Prefetcher(HostBatches(source, dataset.name, len(self.order), image_size))

    def __len__(self) -> int:
        return len(self.order)

    def batch(self, positions: Sequence[int], device: torch.device) -> Batch:
        """Return the samples at ``positions`` of the fixed order, pixels in [0, 1] on ``device``.

        Raises:
            DatasetError: the dataset cannot read a sample; the text names both.
            IndexError: a position is out of range.
        """
        host_batch = self._host_batches.get(Request(tuple(positions), device.type == "cuda"))
        pixels = host_batch.to(device, non_blocking=True)
        indices = self.order[list(positions)]
        return Batch(
            pixels=pixels.permute(0, 3, 1, 2).contiguous().float().div_(255.0),
            labels=torch.from_numpy(self.dataset.labels[indices]).to(device),
            sample_ids=torch.from_numpy(indices).to(device),
        )

    def read_ahead(self, positions: Sequence[int], device: torch.device) -> None:
        """Begin to read the images of the next :meth:`batch` in a thread; the next batch may be another one."""
        self._host_batches.begin(Request(tuple(positions), device.type == "cuda"))
