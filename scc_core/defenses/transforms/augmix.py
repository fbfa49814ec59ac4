"""AugMix views on tensors: Hendrycks et al., ICLR 2020, arXiv 1912.02781, as test-time prompt tuning uses them.

A view is a random resized crop, mirrored half of the time, mixed with three chains of one to three operations drawn
from nine. It follows the code that TPT and R-TPT share, with three differences that tensors bring: operations work on
float pixels and round to 8 bits only where they are defined by levels; crops are interpolated without antialiasing; a
crop that would leave the image is cut at its edge instead of being drawn again. Operations without a useful gradient
pass it through unchanged.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from scc_core.defenses.transforms.warping import affine, turn, warp
from scc_core.noise import Noise

WIDTH = 3
DEPTH = 3
CROP_AREA = (0.08, 1.0)
CROP_RATIO = (3 / 4, 4 / 3)
LOWEST_LEVEL = 0.1
_LEVELS = 256

Operation = Callable[[Tensor, Tensor], Tensor]


def augmix_view(images: Tensor, noise: Noise, severity: float = 1.0) -> Tensor:
    """Return one AugMix view ``(B, 3, H, W)`` of every image ``(B, 3, H, W)`` in [0, 1].

    ``m * crop + (1 - m) * sum_i w_i chain_i(crop)`` with ``m ~ Beta(1, 1)`` and ``w ~ Dirichlet(1, 1, 1)``.
    """
    crop = random_resized_crop(images, noise.fold("crop"))
    draw = noise.fold("mix").uniform((1 + WIDTH,))
    # Exponential draws divided by their sum are a flat Dirichlet draw; 1 - u is never 0.
    shares = -(1 - draw[:, 1:]).log()
    shares = (shares / shares.sum(dim=1, keepdim=True)).unsqueeze(-1)
    chains = [operation_chain(crop, noise.fold(f"chain-{chain}"), severity) for chain in range(WIDTH)]
    mixed = sum((share.reshape(-1, 1, 1, 1) * chain for share, chain in zip(shares.unbind(1), chains, strict=True)), 0)
    keep = draw[:, 0].reshape(-1, 1, 1, 1)
    return keep * crop + (1 - keep) * mixed


def random_resized_crop(images: Tensor, noise: Noise) -> Tensor:
    """Cut a random window out of every image, mirror it half of the time, and enlarge it to the image's size."""
    area, ratio, x, y, mirror = noise.uniform((5,)).unbind(-1)
    area = CROP_AREA[0] + area * (CROP_AREA[1] - CROP_AREA[0])
    low, high = (math.log(bound) for bound in CROP_RATIO)
    ratio = (low + ratio * (high - low)).exp()
    across, down = (area * ratio).sqrt().clamp(max=1.0), (area / ratio).sqrt().clamp(max=1.0)
    height, width = images.shape[-2:]
    left, top = x * (1 - across) * width, y * (1 - down) * height
    flipped = mirror < 0.5
    across, left = torch.where(flipped, -across, across), torch.where(flipped, left + across * width, left)
    zero = torch.zeros_like(left)
    return warp(images, affine(across, zero, left, zero, down, top))


def operation_chain(images: Tensor, noise: Noise, severity: float) -> Tensor:
    """Apply one to three random operations to every image."""
    draw = noise.uniform((1 + 3 * DEPTH,))
    depth = (draw[:, 0] * DEPTH).floor() + 1
    for step in range(DEPTH):
        choice, level, side = draw[:, 1 + 3 * step : 4 + 3 * step].unbind(-1)
        chosen = torch.where(step < depth, (choice * len(OPERATIONS)).floor(), -1)
        level = LOWEST_LEVEL + level * (severity - LOWEST_LEVEL)
        images = _apply(images, chosen, torch.where(side > 0.5, -level, level))
    return images


def _apply(images: Tensor, chosen: Tensor, level: Tensor) -> Tensor:
    for index, operation in enumerate(OPERATIONS):
        rows = (chosen == index).nonzero().squeeze(-1)
        if len(rows):
            images = images.index_copy(0, rows, operation(images[rows], level[rows]))
    return images


def autocontrast(images: Tensor, level: Tensor) -> Tensor:  # noqa: ARG001
    """Stretch every channel to [0, 1]; a constant channel stays."""
    low, high = images.amin(dim=(-2, -1), keepdim=True), images.amax(dim=(-2, -1), keepdim=True)
    return torch.where(high > low, (images - low) / (high - low).clamp_min(1e-12), images)


def equalize(images: Tensor, level: Tensor) -> Tensor:  # noqa: ARG001
    """Equalise the histogram of every channel's 256 levels, as Pillow does."""
    levels = _quantised(images).flatten(2).long()
    histogram = torch.zeros((*levels.shape[:2], _LEVELS), dtype=torch.long, device=levels.device)
    histogram = histogram.scatter_add(2, levels, torch.ones_like(levels))
    last = histogram.gather(2, levels.amax(dim=2, keepdim=True))
    step = (levels.shape[2] - last) // (_LEVELS - 1)
    before = histogram.cumsum(dim=2) - histogram
    table = ((before + step // 2) // step.clamp_min(1)).clamp(max=_LEVELS - 1)
    equalised = torch.where(step == 0, levels, table.gather(2, levels))
    return _with_gradient(images, equalised.reshape(images.shape))


def posterize(images: Tensor, level: Tensor) -> Tensor:
    """Keep ``4 - int(4 level / 10)`` of the 8 bits of every channel."""
    width = 2 ** (4 + _whole(level, 4)).reshape(-1, 1, 1, 1)
    return _with_gradient(images, (_quantised(images) / width).floor() * width)


def solarize(images: Tensor, level: Tensor) -> Tensor:
    """Invert the levels that are not below ``256 - int(256 level / 10)``."""
    levels = _quantised(images)
    threshold = (_LEVELS - _whole(level, _LEVELS)).reshape(-1, 1, 1, 1)
    return _with_gradient(images, torch.where(levels < threshold, levels, _LEVELS - 1 - levels))


def rotate(images: Tensor, level: Tensor) -> Tensor:
    """Turn by ``int(30 level / 10)`` degrees, counter-clockwise for a positive level."""
    return warp(images, turn(_whole(level, 30) * level.sign(), *images.shape[-2:]))


def shear_x(images: Tensor, level: Tensor) -> Tensor:
    """Shear rows sideways by ``0.3 level / 10`` pixels per row."""
    one, zero = torch.ones_like(level), torch.zeros_like(level)
    return warp(images, affine(one, 0.03 * level, zero, zero, one, zero))


def shear_y(images: Tensor, level: Tensor) -> Tensor:
    """Shear columns up or down by ``0.3 level / 10`` pixels per column."""
    one, zero = torch.ones_like(level), torch.zeros_like(level)
    return warp(images, affine(one, zero, zero, 0.03 * level, one, zero))


def translate_x(images: Tensor, level: Tensor) -> Tensor:
    """Move sideways by ``int(W / 3 * level / 10)`` pixels."""
    one, zero = torch.ones_like(level), torch.zeros_like(level)
    return warp(images, affine(one, zero, _whole(level, images.shape[-1] / 3) * level.sign(), zero, one, zero))


def translate_y(images: Tensor, level: Tensor) -> Tensor:
    """Move up or down by ``int(H / 3 * level / 10)`` pixels."""
    one, zero = torch.ones_like(level), torch.zeros_like(level)
    return warp(images, affine(one, zero, zero, zero, one, _whole(level, images.shape[-2] / 3) * level.sign()))


OPERATIONS: tuple[Operation, ...] = (
    autocontrast,
    equalize,
    posterize,
    rotate,
    solarize,
    shear_x,
    shear_y,
    translate_x,
    translate_y,
)


def _whole(level: Tensor, largest: float) -> Tensor:
    return (level.abs() * largest / 10).floor()


def _quantised(images: Tensor) -> Tensor:
    return (images.detach() * (_LEVELS - 1)).round()


def _with_gradient(images: Tensor, levels: Tensor) -> Tensor:
    """Return ``levels`` as pixels, with the gradient of ``images``."""
    return levels.to(images.dtype) / (_LEVELS - 1) + (images - images.detach())
