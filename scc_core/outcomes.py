"""What an evaluation measures: per-sample outcomes and their cost, in blocks that merge exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

BLOCK_SIZE = 50
"""Samples per block. Fixed for ever: blocks are aligned to it, and results of different runs share them."""


@dataclass(frozen=True)
class Outcomes:
    """Per-sample outcomes of one cell, every array of shape ``(N,)`` and in the dataset's fixed sample order.

    Attributes:
        sample_ids: int64, the dataset's index of the sample.
        labels: int32, the true class.
        predictions: int32, the predicted class.
        margins: float32, logit of the true class minus the largest other logit; negative when wrong.
        confidences: float32 in [0, 1], softmax probability of the predicted class.
    """

    sample_ids: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int32]
    predictions: npt.NDArray[np.int32]
    margins: npt.NDArray[np.float32]
    confidences: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def correct(self) -> npt.NDArray[np.bool_]:
        """``(N,)`` bool, whether the prediction is the true class."""
        return np.equal(self.predictions, self.labels)

    def rows(self, start: int, stop: int) -> Outcomes:
        """Return the outcomes of rows ``start`` to ``stop`` (exclusive)."""
        return Outcomes(
            self.sample_ids[start:stop],
            self.labels[start:stop],
            self.predictions[start:stop],
            self.margins[start:stop],
            self.confidences[start:stop],
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Outcomes]) -> Outcomes:
        """Return the outcomes of ``parts`` one after another."""
        names = [field.name for field in fields(cls)]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


@dataclass(frozen=True)
class Cost:
    """What some samples cost; every figure is a total over the samples, so that costs add.

    Attributes:
        seconds: wall time on the device.
        forwards: images passed forward through the image tower.
        backwards: images passed backward through it.
    """

    seconds: float = 0.0
    forwards: int = 0
    backwards: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.seconds + other.seconds, self.forwards + other.forwards, self.backwards + other.backwards)


@dataclass(frozen=True)
class BlockResult:
    """One block of one cell: the smallest thing that is committed to the database.

    Attributes:
        cell: the cell's key.
        block: the block's number; it holds positions ``block * BLOCK_SIZE`` onward of the dataset's sample order.
        outcomes: at most ``BLOCK_SIZE`` samples.
        attack: cost of making the adversarial images (shared by the cells of an attack group).
        defense: cost of the defended predictions.
        device: name of the device as the driver of the device reports it.
        worker: host and process that measured it.
    """

    cell: str
    block: int
    outcomes: Outcomes
    attack: Cost
    defense: Cost
    device: str
    worker: str
