"""A batch of labelled images: what datasets give and the evaluation takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Images with their labels.

    Attributes:
        pixels: ``(B, 3, H, W)`` float32 in [0, 1].
        labels: ``(B,)`` int64.
        sample_ids: ``(B,)`` int64, the dataset's index of every image.
    """

    pixels: Tensor
    labels: Tensor
    sample_ids: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def split(self, size: int) -> Iterator[Batch]:
        """Yield the images ``size`` at a time, in their order; the last part may be short."""
        parts = (tensor.split(size) for tensor in (self.pixels, self.labels, self.sample_ids))
        return (Batch(*part) for part in zip(*parts, strict=True))
