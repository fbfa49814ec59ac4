"""Counter-based noise: the same numbers on CPU and GPU, for every batch size, shard layout and number of workers.

Every number is a pure function of (seed, stream, sample id, element), through Philox4x32-10 (Salmon et al., "Parallel
random numbers: as easy as 1, 2, 3", SC 2011) in integer tensor arithmetic. No generator state exists, so nothing
depends on what was drawn before or on which other images share the batch.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor

_MULTIPLIER_0 = 0xD2511F53
_MULTIPLIER_1 = 0xCD9E8D57
_WEYL_0 = 0x9E3779B9
_WEYL_1 = 0xBB67AE85
_ROUNDS = 10
_MASK = 0xFFFFFFFF
_LANES = 4
_QUANTILES = 1 << 16


@dataclass(frozen=True)
class Noise:
    """The source of all randomness of a batch.

    Attributes:
        seed: the cell's seed.
        sample_ids: ``(B,)`` int64, the dataset's index of every image of the batch.
        stream: path of names that keeps independent uses apart, e.g. ``attack/pgd/restart-0``.
    """

    seed: int
    sample_ids: Tensor
    stream: str = ""

    def fold(self, name: str) -> Noise:
        """Return an independent source for the use called ``name``."""
        return replace(self, stream=f"{self.stream}/{name}")

    def select(self, rows: Tensor) -> Noise:
        """Return the source of the chosen rows of the batch; ``rows`` is a mask or indices."""
        return replace(self, sample_ids=self.sample_ids[rows])

    def uniform(self, shape: tuple[int, ...], low: float = 0.0, high: float = 1.0) -> Tensor:
        """Draw ``(B, *shape)`` float32, uniform on [low, high) in steps of 2^-24 of the interval."""
        unit = (self.bits(shape) >> 8).to(torch.float32) * 2.0**-24
        return unit.mul(high - low).add(low)

    def normal(self, shape: tuple[int, ...]) -> Tensor:
        """Draw ``(B, *shape)`` float32 from the standard normal distribution."""
        count = math.prod(shape)
        words = self.bits((-(-count // 2),))
        halves = torch.stack((words & 0xFFFF, words >> 16), dim=-1).reshape(len(words), -1)
        return normal_quantiles(halves.device)[halves[:, :count]].reshape(-1, *shape)

    def bits(self, shape: tuple[int, ...]) -> Tensor:
        """Draw ``(B, *shape)`` int64 holding uniform 32-bit integers in [0, 2^32)."""
        count = math.prod(shape)
        blocks = -(-count // _LANES)
        lanes = torch.stack(self._philox(blocks), dim=-1).reshape(len(self.sample_ids), blocks * _LANES)
        return lanes[:, :count].reshape(-1, *shape)

    def _philox(self, blocks: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        ids = self.sample_ids.reshape(-1, 1)
        element = torch.arange(blocks, device=ids.device, dtype=torch.int64).reshape(1, -1)
        zero = torch.zeros_like(ids + element)
        counter = (element + zero, (ids & _MASK) + zero, ((ids >> 32) & _MASK) + zero, zero)
        key_0, key_1 = _key(self.seed, self.stream)
        return philox(counter, key_0, key_1)


def philox(
    counter: tuple[Tensor, Tensor, Tensor, Tensor], key_0: int, key_1: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Philox4x32-10 on four int64 tensors that hold 32-bit words, and a key of two 32-bit words."""
    c0, c1, c2, c3 = counter
    for _ in range(_ROUNDS):
        # int64 products wrap modulo 2^64, so both halves of the 64-bit product are exact after masking.
        product_0, product_1 = c0 * _MULTIPLIER_0, c2 * _MULTIPLIER_1
        c0, c1, c2, c3 = (
            ((product_1 >> 32) & _MASK) ^ c1 ^ key_0,
            product_1 & _MASK,
            ((product_0 >> 32) & _MASK) ^ c3 ^ key_1,
            product_0 & _MASK,
        )
        key_0, key_1 = (key_0 + _WEYL_0) & _MASK, (key_1 + _WEYL_1) & _MASK
    return c0, c1, c2, c3


def _key(seed: int, stream: str) -> tuple[int, int]:
    digest = hashlib.sha256(f"{seed}:{stream}".encode()).digest()
    return int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:8], "little")


@lru_cache(maxsize=8)
def normal_quantiles(device: torch.device) -> Tensor:
    """Return the standard normal quantiles at the midpoints of 2^16 equally probable bins, ``(65536,)`` float32.

    Rounded to 2^-20, which is coarser than what libraries and devices disagree about, so that the table is the same
    everywhere. The largest value is 4.32; the distribution function errs by at most 2^-17.
    """
    midpoints = (torch.arange(_QUANTILES, dtype=torch.float64) + 0.5) / _QUANTILES
    quantiles: Tensor = torch.special.ndtri(midpoints).mul(2**20).round().mul(2.0**-20)
    return quantiles.to(torch.float32).to(device)
