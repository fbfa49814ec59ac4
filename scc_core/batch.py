"""A batch of labelled images: what datasets give and the evaluation takes."""

from __future__ import annotations

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
