"""Another processor's arithmetic, imitated: the rounding of a tower's numbers depends on the size of the batch.

With ``SCCBENCH_TEST_ROUNDING=16`` the towers of the tests answer as they would where every batch size has a kernel of
its own: embeddings, and the gradients that reach the pixels, move by up to 16 units of rounding of their image's
typical entry, by an amount that the batch size and the image's place in it decide. Without the variable nothing
changes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

VARIABLE = "SCCBENCH_TEST_ROUNDING"


class _Rounding(torch.autograd.Function):
    """Round the value on the way forward, if ``forwards``, and the gradient on the way back otherwise."""

    @staticmethod
    def forward(context, values: Tensor, units: float, forwards: bool) -> Tensor:
        context.units, context.forwards = units, forwards
        return _rounded(values, units) if forwards else values.view_as(values)

    @staticmethod
    def backward(context, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient if context.forwards else _rounded(gradient, context.units), None, None


def _rounded(values: Tensor, units: float) -> Tensor:
    generator = torch.Generator().manual_seed(len(values))
    draw = 2 * torch.rand(values.shape, generator=generator, dtype=values.dtype) - 1
    typical = values.reshape(len(values), -1).square().mean(dim=1).sqrt().reshape(-1, *[1] * (values.dim() - 1))
    # Half precision rounds coarsely, but its products are summed in float32.
    unit = min(torch.finfo(values.dtype).eps, torch.finfo(torch.float32).eps)
    return values + units * unit * typical * draw


def rounded_input(pixels: Tensor) -> Tensor:
    """Return ``pixels``, whose gradient will be rounded."""
    return _apply(pixels, forwards=False)


def rounded_output(features: Tensor) -> Tensor:
    """Return ``features``, rounded."""
    return _apply(features, forwards=True)


def _apply(values: Tensor, forwards: bool) -> Tensor:
    units = float(os.environ.get(VARIABLE, "0"))
    return _Rounding.apply(values, units, forwards) if units else values


@contextmanager
def imitated_rounding(units: float) -> Iterator[None]:
    """Round by up to ``units`` units, as the variable does, in what is computed inside."""
    former = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = str(units)
    try:
        yield
    finally:
        if former is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = former
