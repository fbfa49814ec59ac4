"""The L-inf projection on a hyperplane within the box [0, 1] (Croce and Hein, ICML 2020, arXiv 1907.02044, Eq. 4)."""

from __future__ import annotations

import torch
from torch import Tensor


def project_on_hyperplane(points: Tensor, normal: Tensor, excess: Tensor) -> Tensor:
    """Return the step ``d`` of the smallest L-inf length that reaches the hyperplane without leaving the box.

    Minimises ``max_i |d_i|`` subject to ``<w, d> = -excess`` and ``0 <= x + d <= 1``. Every coordinate moves by the
    same length towards the plane, or as far as the box allows: with ``room_i`` that distance, the length ``l`` solves
    ``sum_i |w_i| min(l, room_i) = |excess|``, which is piecewise linear and increasing in ``l``.

    Args:
        points: ``(B, N)`` in [0, 1].
        normal: ``(B, N)`` normal vectors ``w``.
        excess: ``(B,)``, ``<w, x> - b`` of the points.

    Returns:
        ``(B, N)`` of ``points``' dtype. Where the plane misses the box, the step that comes closest to it.
    """
    direction = -excess.sign().unsqueeze(1) * normal.sign()
    room = torch.where(direction > 0, 1 - points, points) * direction.abs()
    length = _length(room.double(), normal.abs().double(), excess.abs().double())
    return direction * torch.minimum(room, length.to(points.dtype).unsqueeze(1))


def _length(room: Tensor, weight: Tensor, needed: Tensor) -> Tensor:
    """Solve ``sum_i weight_i min(l, room_i) = needed`` for ``l`` ``(B,)``; else ``l`` exceeds every room."""
    room, order = room.sort(dim=1)
    weight = weight.gather(1, order)
    spent = (weight * room).cumsum(dim=1)
    # What can still move once the coordinates up to this one stand at the box.
    free = weight.flip(1).cumsum(dim=1).flip(1) - weight
    reached = spent + free * room
    first = torch.searchsorted(reached, needed.unsqueeze(1)).clamp_max(room.shape[1] - 1)
    before = (first - 1).clamp_min(0)
    has_before = first > 0
    start = torch.where(has_before, room.gather(1, before), 0.0)
    gained = torch.where(has_before, reached.gather(1, before), 0.0)
    slope = free.gather(1, first) + weight.gather(1, first)
    length = start + (needed.unsqueeze(1) - gained) / slope.clamp_min(torch.finfo(torch.float64).tiny)
    return length.squeeze(1)
