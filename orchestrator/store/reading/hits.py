"""Which samples of a cell are right, in two bytes per sample: cells are compared sample by sample."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from scc_core.blocks import sample_positions
from scc_core.evaluation.metrics import Bools


@dataclass(frozen=True)
class Hits:
    """Right or wrong for each position in the dataset's fixed order, up to the last measured one.

    Attributes:
        known: ``(N,)`` whether the sample is measured.
        correct: ``(N,)`` whether its prediction is the true class; False where it is not measured.
    """

    known: Bools
    correct: Bools

    @classmethod
    def of_blocks(cls, blocks: Iterable[tuple[int, str]], limit: int | None = None) -> Hits:
        """Read blocks, each a number and a text with ``0`` or ``1`` per sample, up to position ``limit``."""
        numbers, texts = zip(*sorted(blocks), strict=True) if (blocks := list(blocks)) else ((), ())
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        positions = sample_positions(numbers, lengths)
        length = int(positions[-1]) + 1 if len(positions) else 0
        known, correct = np.zeros(length, bool), np.zeros(length, bool)
        known[positions] = True
        correct[positions] = np.frombuffer("".join(texts).encode("ascii"), np.uint8) == ord("1")
        return cls(known[:limit], correct[:limit])

    @property
    def measured(self) -> Bools:
        """``(M,)`` whether each measured sample is right, in the dataset's order."""
        return self.correct[self.known]


def on_common_samples(hits: Sequence[Hits]) -> list[Bools]:
    """Return, for each of one or more cells of a dataset, which of the samples that all have measured are right."""
    length = min(len(one.known) for one in hits)
    common = np.logical_and.reduce([one.known[:length] for one in hits])
    return [one.correct[:length][common] for one in hits]
