"""The arithmetic of an image tower, counted operation by operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


class Flops(NamedTuple):
    """Floating-point operations of matrix products and convolutions; a multiply-add counts as two.

    Attributes:
        forward: of one forward pass.
        backward: of the backward pass to the pixels alone, the weights being frozen.
    """

    forward: int
    backward: int

    def of(self, forwards: float, backwards: float) -> float:
        """Return the operations of so many passes."""
        return forwards * self.forward + backwards * self.backward


def count_flops(encode: Callable[[Tensor], Tensor], pixels: Tensor) -> Flops:
    """Count the operations of ``encode`` on ``pixels`` and of the gradient in the pixels."""
    leaf = pixels.detach().requires_grad_(True)
    # Fused attention is not counted on every device and version; its plain matrix products are.
    with sdpa_kernel(SDPBackend.MATH), torch.enable_grad():
        with FlopCounterMode(display=False) as forward:
            features = encode(leaf)
        with FlopCounterMode(display=False) as backward:
            torch.autograd.grad(features.sum(), leaf)
    return Flops(forward.get_total_flops(), backward.get_total_flops())
