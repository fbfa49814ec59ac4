"""What a block must hold for both databases to take it, and for every sum over blocks to stay a number.

A component of a user, a device with faulty memory or a program of another version may send anything. What is wrong with
a block fails its cell; it must end neither the driver nor the views, whose sums read all blocks of a cell.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from scc_core.blocks import BLOCK_SIZE, block_positions
from scc_core.outcomes import BlockResult, Outcomes

if TYPE_CHECKING:
    from orchestrator.store.encoding.rows import BlockRow
    from scc_core.identity import DatasetSpec

MOST_PASSES = 2**40
"""Of one block: a trillion. SQLite cannot sum whole numbers beyond 2^63, which a million such blocks do not reach."""

MOST_SECONDS = MOST_MIB = 1e9
"""Of one block: thirty years, and a petabyte."""

MOST_MARGIN = BLOCK_SIZE * float(np.finfo(np.float32).max)
"""Of one block: what the margins of its samples can sum to."""

MOST_BLOCKS = 2**31 - 1
"""Numbers of blocks are stored in four bytes."""

CONFIDENCE_SLACK = 0.01
"""How far rounding to half precision may take a probability out of [0, 1]."""


def name_of(row: BlockRow | BlockResult) -> str:
    """Return how errors name a block."""
    number = row.block if isinstance(row, BlockResult) else row.number
    return f"block {number!r:.20} of cell {row.cell[:12]}"


def check_row(row: BlockRow) -> None:
    """Check the columns of a row but for its packed outcomes.

    Raises:
        ValueError: one is of another type than the database's, not finite, or absurd.
    """
    _whole(row, "number", 0, MOST_BLOCKS)
    _whole(row, "samples", 1, BLOCK_SIZE)
    _whole(row, "correct", 0, row.samples)
    if row.zero_gradients is not None:
        _whole(row, "zero_gradients", 0, row.samples)
    if len(row.hits) != row.samples or row.hits.count("1") != row.correct or set(row.hits) - {"0", "1"}:
        raise ValueError(f"hits of {name_of(row)} is {row.hits!r:.60}, expected {row.correct} of {row.samples} to be 1")
    for side in ("attack", "defense"):
        _whole(row, f"{side}_forwards", 0, MOST_PASSES)
        _whole(row, f"{side}_backwards", 0, MOST_PASSES)
        _number(row, f"{side}_seconds", 0.0, MOST_SECONDS)
        if getattr(row, f"{side}_peak_memory_mib") is not None:
            _number(row, f"{side}_peak_memory_mib", 0.0, MOST_MIB)
    _number(row, "sum_confidence", -CONFIDENCE_SLACK * row.samples, (1 + CONFIDENCE_SLACK) * row.samples)
    _number(row, "sum_margin", -MOST_MARGIN, MOST_MARGIN)
    for name in ("device", "worker"):
        _text(row, name)


def check_outcomes(outcomes: Outcomes, classes: int | None, name: str) -> None:
    """Check the values of a block's samples, whose columns have the same length.

    Args:
        outcomes: of the block.
        classes: of the dataset; None where it is not known.
        name: of the block, for errors.

    Raises:
        ValueError: a margin or score is not finite, a confidence is no probability, or a class does not exist.
    """
    scores = outcomes.scores
    if scores is not None:
        if classes is not None and scores.shape[1] != classes:
            raise ValueError(
                f"a sample of {name} has {scores.shape[1]} scores, expected one for each of {classes} classes"
            )
        _probabilities(scores, f"score of {name}")
    _probabilities(outcomes.confidences, f"confidence of {name}")
    if not np.isfinite(outcomes.margins).all():
        raise ValueError(f"a margin of {name} is not finite")
    most = np.inf if classes is None else classes - 1
    for kind, values in (("label", outcomes.labels), ("prediction", outcomes.predictions)):
        outside = values[(values < 0) | (values > most)]
        if len(outside):
            raise ValueError(f"a {kind} of {name} is {outside[0]}, expected a class from 0 to {most:g}")


def check_place(row: BlockRow, dataset: DatasetSpec) -> None:
    """Check that the row has each of the samples that the dataset has in this block.

    Raises:
        ValueError: it has more or fewer.
    """
    expected = len(block_positions(row.number, dataset.size))
    if row.samples != expected:
        raise ValueError(f"{name_of(row)} holds {row.samples} samples, expected the {expected} of {dataset.name}")


def _whole(row: BlockRow, column: str, least: int, most: int) -> None:
    value: Any = getattr(row, column)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        expected = f"expected a whole number from {least} to {most}"
        raise ValueError(f"{column} of {name_of(row)} is {value!r:.40}, {expected}")


def _number(row: BlockRow, column: str, least: float, most: float) -> None:
    value: Any = getattr(row, column)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not least <= value <= most:
        expected = f"expected a finite number from {least:g} to {most:g}"
        raise ValueError(f"{column} of {name_of(row)} is {value!r:.40}, {expected}")


def _text(row: BlockRow, column: str) -> None:
    value: Any = getattr(row, column)
    if not isinstance(value, str) or "\0" in value or value != value.encode(errors="ignore").decode():
        raise ValueError(f"{column} of {name_of(row)} is {value!r:.40}, expected a text that a database can hold")


def _probabilities(values: Any, name: str) -> None:
    # Written so that NaN, which compares false, counts as wrong.
    if not ((values >= -CONFIDENCE_SLACK) & (values <= 1 + CONFIDENCE_SLACK)).all():
        raise ValueError(f"a {name} is no probability")
