"""Blocks: fixed, aligned ranges of a dataset's samples, the smallest thing that is committed to a database.

Block ``b`` holds the positions ``b * BLOCK_SIZE`` onward of the dataset's sample order; the last block of a dataset may
be short. Sets of blocks are kept as ranges: a million blocks that lie side by side cost as much as one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

BLOCK_SIZE = 50
"""Samples per block. Fixed for ever: blocks are aligned to it, and results of different runs share them."""


def num_blocks(samples: int) -> int:
    """Return how many blocks hold the first ``samples`` samples of a dataset."""
    return -(-samples // BLOCK_SIZE)


def block_positions(block: int, size: int) -> range:
    """Return the positions of ``block`` in the sample order of a dataset of ``size`` samples."""
    return range(block * BLOCK_SIZE, min((block + 1) * BLOCK_SIZE, size))


def num_samples(blocks: range, size: int) -> int:
    """Return how many samples neighbouring ``blocks`` hold in a dataset of ``size`` samples."""
    return min(blocks.stop * BLOCK_SIZE, size) - blocks.start * BLOCK_SIZE


def sample_positions(numbers: Sequence[int], lengths: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Return the positions in the dataset of the samples of some blocks, block after block.

    Args:
        numbers: of the blocks, ``(B,)``.
        lengths: how many samples each holds, ``(B,)``.
    """
    lengths = np.asarray(lengths, np.int64)
    # Within a block, the position in the dataset and the place in the answer differ by a constant.
    shifts = np.asarray(numbers, np.int64) * BLOCK_SIZE - (np.cumsum(lengths) - lengths)
    positions: npt.NDArray[np.int64] = np.arange(lengths.sum()) + np.repeat(shifts, lengths)
    return positions


@dataclass(frozen=True)
class BlockRanges:
    """A set of block numbers.

    Attributes:
        ranges: sorted, none empty, with a gap between one and the next, so that equal sets are equal.
    """

    ranges: tuple[range, ...] = ()

    @classmethod
    def of(cls, *ranges: range) -> BlockRanges:
        """Return the union of ranges of step 1, in any order, which may be empty and may overlap."""
        merged: list[range] = []
        for one in sorted((one for one in ranges if one), key=lambda one: one.start):
            if merged and one.start <= merged[-1].stop:
                merged[-1] = range(merged[-1].start, max(merged[-1].stop, one.stop))
            else:
                merged.append(one)
        return cls(tuple(merged))

    @classmethod
    def of_numbers(cls, numbers: Iterable[int]) -> BlockRanges:
        """Return the set of ``numbers``, in any order, which may repeat."""
        return cls.of(*(range(number, number + 1) for number in numbers))

    def __len__(self) -> int:
        return sum(len(one) for one in self.ranges)

    def __bool__(self) -> bool:
        return bool(self.ranges)

    def __iter__(self) -> Iterator[int]:
        for one in self.ranges:
            yield from one

    def __or__(self, other: BlockRanges) -> BlockRanges:
        return BlockRanges.of(*self.ranges, *other.ranges)

    def __sub__(self, other: BlockRanges) -> BlockRanges:
        # The complement of ``other``, as far as :class:`range` has a length.
        edges = [-_FAR, *(edge for one in other.ranges for edge in (one.start, one.stop)), _FAR]
        gaps = (range(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True))
        return self & BlockRanges(tuple(gaps))

    def __and__(self, other: BlockRanges) -> BlockRanges:
        return BlockRanges(tuple(_overlaps(self.ranges, other.ranges)))


_FAR = 2**62


def _overlaps(first: tuple[range, ...], second: tuple[range, ...]) -> Iterator[range]:
    """Yield what two sorted rows of ranges share; of two ranges that are compared, the one that ends first is left."""
    left, right = 0, 0
    while left < len(first) and right < len(second):
        one, other = first[left], second[right]
        common = range(max(one.start, other.start), min(one.stop, other.stop))
        if common:
            yield common
        left, right = left + (one.stop <= other.stop), right + (other.stop <= one.stop)


def cuts(sets: Iterable[BlockRanges]) -> Iterator[range]:
    """Cut the numbers from the least to the greatest edge of ``sets`` wherever one of them begins or ends a range."""
    edges = sorted({edge for one in sets for part in one.ranges for edge in (part.start, part.stop)})
    return (range(start, stop) for start, stop in pairwise(edges))
