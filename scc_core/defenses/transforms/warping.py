"""Affine and projective warps, the geometry of augmented views: one matrix per image, differentiable in the pixels.

Coordinates are continuous pixels: ``X`` runs from 0 at the left edge of an image to its width at the right edge, ``Y``
from 0 at the top, so that the centre of the first pixel is (0.5, 0.5). A matrix maps a point of the output to the
point of the input that is shown there.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def warp(images: Tensor, matrices: Tensor, mode: str = "bilinear") -> Tensor:
    """Warp every image by its own matrix.

    Args:
        images: ``(B, 3, H, W)`` in [0, 1].
        matrices: ``(B, 3, 3)``, from homogeneous points of the output to those of the input.
        mode: ``bilinear`` or ``bicubic`` interpolation.

    Returns:
        ``(B, 3, H, W)``, black where the input has no pixels; bicubic overshoot is clamped to [0, 1].
    """
    height, width = images.shape[-2:]
    row, column = torch.meshgrid(
        *(torch.arange(size, device=images.device) + 0.5 for size in (height, width)), indexing="ij"
    )
    x, y = column.unsqueeze(-1), row.unsqueeze(-1)
    horizontal, vertical, offset = matrices.reshape(-1, 1, 1, 3, 3).unbind(-1)
    points = x * horizontal + y * vertical + offset
    size = torch.tensor((width, height), device=images.device)
    grid = 2 * points[..., :2] / points[..., 2:] / size - 1
    warped = functional.grid_sample(images, grid, mode=mode, padding_mode="zeros", align_corners=False)
    return warped.clamp(0.0, 1.0)


def affine(xx: Tensor, xy: Tensor, x: Tensor, yx: Tensor, yy: Tensor, y: Tensor) -> Tensor:
    """Return matrices ``(B, 3, 3)`` of ``X' = xx X + xy Y + x`` and ``Y' = yx X + yy Y + y``, all ``(B,)``."""
    zero = torch.zeros_like(xx + xy + x + yx + yy + y)
    rows = [entry + zero for entry in (xx, xy, x, yx, yy, y)] + [zero, zero, zero + 1]
    return torch.stack(rows, dim=-1).reshape(-1, 3, 3)


def turn(degrees: Tensor, height: int, width: int, zoom: Tensor | None = None) -> Tensor:
    """Return matrices ``(B, 3, 3)`` that turn images counter-clockwise about their centre and enlarge them.

    Args:
        degrees: ``(B,)`` angles.
        height: of the images, in pixels.
        width: of the images, in pixels.
        zoom: ``(B,)`` factors of enlargement; None leaves the size.
    """
    zoom = torch.ones_like(degrees) if zoom is None else zoom
    # In double precision: a CPU's float32 cosine depends on a value's place in its vector, and so on the other images.
    radians = degrees.double().deg2rad()
    cosine, sine = radians.cos().to(degrees.dtype) / zoom, radians.sin().to(degrees.dtype) / zoom
    x, y = width / 2, height / 2
    return affine(cosine, -sine, x - cosine * x + sine * y, sine, cosine, y - sine * x - cosine * y)


def perspective(corners: Tensor, height: int, width: int) -> Tensor:
    """Return matrices ``(B, 3, 3)`` that move the corners of images to given points.

    The map from the unit square to a quadrilateral is Heckbert's closed form (1989); its inverse is the adjugate.

    Args:
        corners: ``(B, 4, 2)`` (X, Y) of where the top left, top right, bottom right and bottom left corner go.
        height: of the images, in pixels.
        width: of the images, in pixels.
    """
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = (corner.unbind(-1) for corner in corners.unbind(1))
    right, down = (x1 - x2, y1 - y2), (x3 - x2, y3 - y2)
    skew = (x0 - x1 + x2 - x3, y0 - y1 + y2 - y3)
    determinant = _cross(right, down)
    g, h = _cross(skew, down) / determinant, _cross(right, skew) / determinant
    columns = (
        torch.stack((x1 - x0 + g * x1, y1 - y0 + g * y1, g), dim=-1),
        torch.stack((x3 - x0 + h * x3, y3 - y0 + h * y3, h), dim=-1),
        torch.stack((x0, y0, torch.ones_like(x0)), dim=-1),
    )
    adjugate = torch.stack([torch.linalg.cross(columns[i - 2], columns[i - 1]) for i in range(3)], dim=1)
    return adjugate * torch.tensor((width, height, 1.0), device=corners.device).reshape(3, 1)


def _cross(first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]) -> Tensor:
    return first[0] * second[1] - first[1] * second[0]
