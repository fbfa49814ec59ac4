"""The balls of PGD: a step direction, a projection and a random start for each norm."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from scc_core.attacks.base import project, random_start
from scc_core.noise import Noise

_TINY = 1e-12


@dataclass(frozen=True)
class Ball:
    """A norm's geometry.

    Attributes:
        direction: ``gradient -> `` the steepest ascent of length 1 in the norm.
        project: ``(images, centre, epsilon) ->`` images within ``epsilon`` of ``centre`` and within [0, 1].
        random_start: ``(pixels, epsilon, noise) ->`` a uniform draw of the ball, clamped to [0, 1].
    """

    direction: Callable[[Tensor], Tensor]
    project: Callable[[Tensor, Tensor, float], Tensor]
    random_start: Callable[[Tensor, float, Noise], Tensor]


def euclidean_length(offsets: Tensor) -> Tensor:
    """Return the L2 lengths ``(B,)`` of ``(B, 3, H, W)``, in their dtype.

    The squares are summed in double precision: in float32 the length of a large image is off by up to 2e-4 of itself.
    """
    lengths: Tensor = torch.linalg.vector_norm(offsets.flatten(1), dim=1, dtype=torch.float64)
    return lengths.to(offsets.dtype)


def euclidean_direction(gradient: Tensor) -> Tensor:
    """Return the gradient ``(B, 3, H, W)`` divided by its L2 length per image; zero where it is zero."""
    # The squares of very small gradients would underflow; dividing by the largest entry first prevents it.
    scaled = gradient / _per_image(gradient.abs().flatten(1).amax(dim=1)).clamp_min(torch.finfo(gradient.dtype).tiny)
    return scaled / _per_image(euclidean_length(scaled)).clamp_min(_TINY)


def project_euclidean(images: Tensor, centre: Tensor, epsilon: float) -> Tensor:
    """Project on the L2 ball of radius ``epsilon`` around ``centre``, then clamp to [0, 1], which stays in the ball."""
    offset = images - centre
    length = _per_image(euclidean_length(offset))
    return (centre + offset * (epsilon / length.clamp_min(_TINY)).clamp_max(1.0)).clamp(0.0, 1.0)


def random_start_euclidean(pixels: Tensor, epsilon: float, noise: Noise) -> Tensor:
    """Return ``pixels`` plus a uniform draw of the L2 ball of radius ``epsilon``, clamped to [0, 1]."""
    shape = tuple(pixels.shape[1:])
    start = noise.fold("start")
    radius = epsilon * start.fold("radius").uniform((1,)).pow(1 / math.prod(shape))
    direction = euclidean_direction(start.normal(shape))
    return (pixels + radius.reshape(-1, 1, 1, 1) * direction).clamp(0.0, 1.0)


def _per_image(values: Tensor) -> Tensor:
    return values.reshape(-1, 1, 1, 1)


BALLS: Mapping[str, Ball] = {
    "linf": Ball(torch.sign, project, random_start),
    "l2": Ball(euclidean_direction, project_euclidean, random_start_euclidean),
}
"""By the name of the norm."""
