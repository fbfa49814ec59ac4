"""The rate of a large matrix product: what a device reaches, against which kernels are held."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from benchmarks.kernels.timing import Budget, Spread, repeat
from scc_core.models.base import PRECISIONS

SIZES = {"cuda": 8192, "cpu": 2048}
"""Sides of matrices that are large enough for a device's full rate."""


@dataclass(frozen=True)
class Peak:
    """Floating-point operations per second of square matrix products of side ``size``."""

    size: int
    repetitions: int
    flops_per_second: Spread


def matmul_peak(device: torch.device, precision: str, budget: Budget, size: int) -> Peak:
    """Time the product of two square matrices of a precision."""
    left = torch.full((size, size), 0.5, dtype=PRECISIONS[precision], device=device)
    right = left.clone()
    left @ right
    seconds = repeat(lambda: left @ right, device, budget)
    return Peak(size, len(seconds), Spread.of_rates(2 * size**3, seconds))
