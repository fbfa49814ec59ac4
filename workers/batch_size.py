"""The batch size of a model on a device: doubled while that makes it faster, halved when memory runs out."""

from __future__ import annotations

from scc_core.blocks import BLOCK_SIZE

FIRST = {"cpu": BLOCK_SIZE // 2, "cuda": BLOCK_SIZE}
LARGEST = {"cpu": 2 * BLOCK_SIZE, "cuda": 64 * BLOCK_SIZE}
"""Larger batches gain little on a CPU, and no error protects the memory of the machine that they take."""

_GAIN = 1.1
"""A doubled batch that is not faster by this factor is not worth its memory."""


class BatchSize:
    """Images at a time for one model on one device; it changes speed, memory and rounding.

    Args:
        size: images at a time to begin with.
        largest: images at a time at most; ``size`` or less keeps the size unless memory runs out.

    Attributes:
        size: images at a time to take now.
        growing: whether larger sizes are still to be tried.
    """

    def __init__(self, size: int, largest: int) -> None:
        self.size = size
        self.growing = 2 * size <= largest
        self._largest = largest
        self._profile: object = None
        self._rate: float | None = None
        self._warm = False

    def record(self, profile: object, rate: float) -> None:
        """Take the speed of a full batch of this size.

        Args:
            profile: of what was computed; only speeds of the same profile are compared.
            rate: forward and backward passes of an image per second.
        """
        if not self.growing:
            return
        if not self._warm:
            # The first batch of a model also pays for its lazy initialisation.
            self._warm = True
        elif profile == self._profile and self._rate is not None and rate < _GAIN * self._rate:
            self._settle(max(1, self.size // 2))
        elif 2 * self.size > self._largest:
            self.growing = False
        else:
            self._profile, self._rate = profile, rate
            self.size *= 2

    def out_of_memory(self, tried: int) -> int:
        """Note that ``tried`` images did not fit the memory, which ends the growth; return how many to try next."""
        self._settle(max(1, min(self.size, tried // 2)))
        return self.size

    def _settle(self, size: int) -> None:
        self.size, self.growing = size, False
