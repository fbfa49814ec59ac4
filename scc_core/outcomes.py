"""What an evaluation measures: per-sample outcomes and their cost, in blocks that merge exactly."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from scc_core.cost import Cost

if TYPE_CHECKING:
    from scc_core.environment import Environment

MAX_SCORED_CLASSES = 20
"""Up to this many classes the score of every class is kept, which threshold-free metrics need."""


@dataclass(frozen=True)
class Outcomes:
    """Per-sample outcomes of one cell, in the dataset's fixed sample order; arrays of shape ``(N,)`` but for scores.

    Attributes:
        sample_ids: int64, the dataset's index of the sample.
        labels: int32, the true class.
        predictions: int32, the predicted class.
        margins: float32, logit of the true class minus the largest other logit; negative when wrong.
        confidences: float32 in [0, 1], softmax probability of the predicted class.
        scores: ``(N, K)`` float16 in [0, 1], softmax probability of every class; None above
            :data:`MAX_SCORED_CLASSES` classes.
    """

    sample_ids: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int32]
    predictions: npt.NDArray[np.int32]
    margins: npt.NDArray[np.float32]
    confidences: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float16] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def aligned(self) -> bool:
        """Whether every column has one row for each sample."""
        columns = [np.shape(getattr(self, field.name)) for field in fields(self) if field.name != "scores"]
        rows = len(self) if self.scores is None else len(self.scores)
        return {*columns, (rows,)} == {(len(self),)}

    @property
    def correct(self) -> npt.NDArray[np.bool_]:
        """``(N,)`` bool, whether the prediction is the true class."""
        return np.equal(self.predictions, self.labels)

    def rows(self, start: int, stop: int) -> Outcomes:
        """Return the outcomes of rows ``start`` to ``stop`` (exclusive)."""
        columns = {field.name: getattr(self, field.name) for field in fields(self)}
        chosen: dict[str, Any] = {
            name: None if values is None else values[start:stop] for name, values in columns.items()
        }
        return Outcomes(**chosen)

    @classmethod
    def concatenate(cls, parts: Sequence[Outcomes]) -> Outcomes:
        """Return the outcomes of ``parts``, which are all of one dataset, one after another."""
        columns = {field.name: [getattr(part, field.name) for part in parts] for field in fields(cls)}
        joined: dict[str, Any] = {
            name: None if arrays[0] is None else np.concatenate(arrays) for name, arrays in columns.items()
        }
        return cls(**joined)


@dataclass(frozen=True)
class BlockResult:
    """One block of one cell: the smallest thing that is committed to the database.

    Attributes:
        cell: the cell's key.
        block: the block's number, see :mod:`scc_core.blocks`.
        outcomes: of the block's samples.
        attack: cost of making the adversarial images (shared by the cells of an attack group).
        defense: cost of the defended predictions.
        device: name of the device as the driver of the device reports it.
        worker: host and process that measured it; empty where no worker did.
        zero_gradients: samples for which every gradient that the attack computed was exactly zero; None if it computed
            no gradient.
        environment: in which it was measured; None where nobody looked.
    """

    cell: str
    block: int
    outcomes: Outcomes
    attack: Cost
    defense: Cost
    device: str
    worker: str = ""
    zero_gradients: int | None = None
    environment: Environment | None = None


@dataclass(frozen=True)
class Failure:
    """Why a cell could not be measured."""

    error: str
    traceback: str

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """Describe an exception by its last line and its whole traceback."""
        lines = traceback.format_exception(error)
        return cls(f"{type(error).__name__}: {error}", "".join(lines))


@dataclass
class Measurement:
    """What came of some blocks: results of the cells that went well, a failure for each of the others."""

    results: list[BlockResult] = field(default_factory=list)
    failures: dict[str, Failure] = field(default_factory=dict)
