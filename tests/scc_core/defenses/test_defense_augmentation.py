"""Warps and AugMix against Pillow and torchvision on the same images."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torchvision.transforms import functional as vision

from scc_core.defenses.transforms import augmix
from scc_core.defenses.transforms.warping import affine, perspective, turn, warp
from scc_core.noise import Noise

pytestmark = [pytest.mark.numerics, pytest.mark.usefixtures("float64")]

SIZE = 32


@pytest.fixture
def photos():
    """Smooth 8-bit images, on which two interpolations agree."""
    rough = torch.rand(6, 3, 6, 6, generator=torch.Generator().manual_seed(2))
    smooth = torch.nn.functional.interpolate(rough, size=(SIZE, SIZE), mode="bicubic").clamp(0, 1)
    return (smooth * 0.7 * 255).round() / 255


def pillow(image):
    return Image.fromarray((image * 255).round().to(torch.uint8).permute(1, 2, 0).numpy())


def tensor(picture):
    return torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1).float() / 255


def inner(images, margin=8):
    return images[..., margin:-margin, margin:-margin]


@pytest.mark.parametrize(
    ("operation", "oracle"),
    [
        (augmix.equalize, lambda picture, level: ImageOps.equalize(picture)),
        (augmix.posterize, lambda picture, level: ImageOps.posterize(picture, 4 - int(abs(level) * 4 / 10))),
        (augmix.solarize, lambda picture, level: ImageOps.solarize(picture, 256 - int(abs(level) * 256 / 10))),
    ],
    ids=["equalize", "posterize", "solarize"],
)
@pytest.mark.parametrize("level", [0.9, -3.0, 9.0])
def test_operations_on_levels_are_pillow_s_to_the_last_level(photos, operation, oracle, level):
    ours = operation(photos, torch.full((len(photos),), level))
    theirs = torch.stack([tensor(oracle(pillow(photo), level)) for photo in photos])
    assert torch.equal((ours * 255).round(), (theirs * 255).round())


def test_equalize_leaves_a_channel_of_one_level_alone():
    grey = torch.full((1, 3, 4, 4), 100 / 255)
    assert torch.allclose(augmix.equalize(grey, torch.ones(1)), grey)


def test_equalize_spreads_levels_like_pillow_where_the_step_matters():
    ramp = (torch.arange(64 * 64).reshape(1, 1, 64, 64) % 7 * 20 / 255).expand(1, 3, -1, -1)
    assert torch.allclose(augmix.equalize(ramp, torch.ones(1))[0], tensor(ImageOps.equalize(pillow(ramp[0]))))


def test_autocontrast_is_pillow_s_within_a_level(photos):
    ours = augmix.autocontrast(photos, torch.ones(len(photos)))
    theirs = torch.stack([tensor(ImageOps.autocontrast(pillow(photo))) for photo in photos])
    assert float((ours - theirs).abs().max()) <= 1.01 / 255
    assert torch.equal(augmix.autocontrast(torch.full((1, 3, 4, 4), 0.3), torch.ones(1)), torch.full((1, 3, 4, 4), 0.3))


@pytest.mark.parametrize("level", [9.0, -9.0])
@pytest.mark.parametrize(
    ("operation", "coefficients"),
    [
        (augmix.shear_x, lambda level: (1, 0.03 * level, 0, 0, 1, 0)),
        (augmix.shear_y, lambda level: (1, 0, 0, 0.03 * level, 1, 0)),
        (augmix.translate_x, lambda level: (1, 0, math.copysign(int(SIZE / 3 * 0.9), level), 0, 1, 0)),
        (augmix.translate_y, lambda level: (1, 0, 0, 0, 1, math.copysign(int(SIZE / 3 * 0.9), level))),
    ],
    ids=["shear-x", "shear-y", "translate-x", "translate-y"],
)
def test_geometric_operations_are_pillow_s(photos, operation, coefficients, level):
    ours = operation(photos, torch.full((len(photos),), level))
    for mine, photo in zip(ours, photos, strict=True):
        picture = pillow(photo)
        theirs = picture.transform(picture.size, Image.Transform.AFFINE, coefficients(level), Image.Resampling.BILINEAR)
        assert float(inner(mine - tensor(theirs)).abs().max()) <= 1.5 / 255


@pytest.mark.parametrize("level", [9.0, -9.0])
def test_rotate_is_pillow_s(photos, level):
    ours = augmix.rotate(photos, torch.full((len(photos),), level))
    for mine, photo in zip(ours, photos, strict=True):
        theirs = pillow(photo).rotate(math.copysign(27, level), resample=Image.Resampling.BILINEAR)
        assert float(inner(mine - tensor(theirs)).abs().max()) <= 1.5 / 255


def test_levels_are_drawn_per_image(photos):
    levels = torch.tensor([9.0, -9.0, 3.5, 0.1, -3.5, 6.0])
    together = augmix.translate_x(photos, levels)
    apart = torch.cat([augmix.translate_x(photos[row : row + 1], levels[row : row + 1]) for row in range(6)])
    assert torch.equal(together, apart)
    assert torch.equal(together[3], photos[3])  # int(10.7 * 0.01) = 0 pixels


def test_perspective_is_torchvision_s(photos):
    corners = [[3.0, 2.0], [28.0, 5.0], [30.0, 27.0], [1.0, 31.0]]
    whole = [[0, 0], [SIZE, 0], [SIZE, SIZE], [0, SIZE]]
    theirs = vision.perspective(photos, whole, corners, vision.InterpolationMode.BILINEAR)
    ours = warp(photos, perspective(torch.tensor([corners] * 6), SIZE, SIZE))
    assert torch.allclose(inner(ours), inner(theirs), atol=2e-3)


def test_perspective_moves_the_corners_where_it_is_told():
    corners = torch.tensor([[[3.0, 2.0], [38.0, 5.0], [35.0, 27.0], [1.0, 20.0]]])
    matrix = perspective(corners, 30, 40)[0]
    sources = torch.cat((corners[0], torch.ones(4, 1)), dim=1) @ matrix.T
    expected = torch.tensor([[0.0, 0.0], [40.0, 0.0], [40.0, 30.0], [0.0, 30.0]])
    assert torch.allclose(sources[:, :2] / sources[:, 2:], expected, atol=1e-3)


def test_a_turn_about_the_centre_and_back_is_nothing(photos):
    there = turn(torch.tensor([20.0]), SIZE, 20, zoom=torch.tensor([1.3]))
    back = turn(torch.tensor([-20.0]), SIZE, 20, zoom=torch.tensor([1 / 1.3]))
    assert torch.allclose(there @ back, torch.eye(3), atol=1e-5)
    enlarged = warp(photos, turn(torch.zeros(6), SIZE, SIZE, zoom=torch.full((6,), 2.0)))
    assert torch.allclose(enlarged[..., 8:24, 8:24].mean(), photos[..., 12:20, 12:20].mean(), atol=0.01)


@pytest.mark.parametrize(
    ("mode", "weights"), [("bilinear", (0, 0.5, 0.5, 0)), ("bicubic", (-0.09375, 0.59375, 0.59375, -0.09375))]
)
def test_half_a_pixel_mixes_neighbours_by_the_kernel(photos, mode, weights):
    one, zero = torch.ones(6), torch.zeros(6)
    ours = warp(photos, affine(one, zero, 0.5 * one, zero, one, zero), mode=mode)
    expected = sum(weight * photos[..., 4 + shift : -8 + shift] for shift, weight in enumerate(weights, start=-1))
    assert torch.allclose(ours[..., 4:-8], expected.clamp(0, 1), atol=1e-5)


def test_bicubic_overshoot_stays_in_the_range():
    edge = torch.zeros(1, 3, 16, 16)
    edge[..., 8:] = 1.0
    one, zero = torch.ones(1), torch.zeros(1)
    warped = warp(edge, affine(0.37 * one, zero, 3.1 * one, zero, one, 0.4 * one), mode="bicubic")
    assert (float(warped.min()), float(warped.max())) == (0.0, 1.0)


def test_a_crop_shows_a_window_of_the_image():
    """On an image whose pixels tell their own place, the crop's corners tell the window."""
    count = 400
    axis = (torch.arange(SIZE) + 0.5) / SIZE
    place = torch.stack((axis.expand(SIZE, SIZE), axis[:, None].expand(SIZE, SIZE), torch.zeros(SIZE, SIZE)))
    crops = augmix.random_resized_crop(place.expand(count, -1, -1, -1), Noise(1, torch.arange(count)))
    x, y = crops[:, 0, SIZE // 2], crops[:, 1, :, SIZE // 2]
    across = (x[:, -4] - x[:, 3]) * SIZE / (SIZE - 7)
    down = (y[:, -4] - y[:, 3]) * SIZE / (SIZE - 7)
    assert 0.4 < float((across < 0).float().mean()) < 0.6
    area = (across * down).abs()
    assert float(area.min()) > 0.07
    assert float(area.max()) > 0.9
    inside = (across.abs() < 0.95) & (down < 0.95)
    ratio = (across / down).abs()[inside]
    assert 0.73 < float(ratio.min()) < 0.8
    assert 1.25 < float(ratio.max()) < 1.36
    centre_x, centre_y = x[:, 15:17].mean(dim=1), y[:, 15:17].mean(dim=1)
    assert float((centre_x - across.abs() / 2).min()) > -0.02
    assert float((centre_x + across.abs() / 2).max()) < 1.02
    assert float((centre_y - down / 2).min()) > -0.02
    assert float(centre_x.std()) > 0.08
    assert float(centre_y.std()) > 0.08


def restated_view(image, noise, severity=1.0):
    """One image, one line per sentence of the AugMix paper."""
    crop = augmix.random_resized_crop(image, noise.fold("crop"))
    keep, *shares = noise.fold("mix").uniform((4,))[0].tolist()
    shares = [-math.log1p(-share) for share in shares]
    mixed = torch.zeros_like(crop)
    for chain in range(3):
        draw = noise.fold(f"chain-{chain}").uniform((10,))[0].tolist()
        chained = crop
        for step in range(int(draw[0] * 3) + 1):
            choice, level, side = draw[1 + 3 * step : 4 + 3 * step]
            level = 0.1 + level * (severity - 0.1)
            operation = augmix.OPERATIONS[int(choice * 9)]
            chained = operation(chained, torch.tensor([-level if side > 0.5 else level]))
        mixed += shares[chain] / sum(shares) * chained
    return keep * crop + (1 - keep) * mixed


@pytest.mark.parametrize("severity", [1.0, 8.0])
def test_a_view_is_its_definition(photos, severity):
    noise = Noise(4, torch.arange(6))
    ours = augmix.augmix_view(photos, noise, severity)
    for row in range(6):
        theirs = restated_view(photos[row : row + 1], noise.select(torch.tensor([row])), severity)
        assert torch.allclose(ours[row], theirs[0], atol=1e-9)


def test_all_operations_depths_and_sides_are_drawn():
    draws = Noise(9, torch.arange(3000)).fold("chain-0").uniform((10,))
    for values, count in ((draws[:, 0] * 3, 3), (draws[:, 1] * 9, 9)):
        assert values.floor().unique().tolist() == list(range(count))


def test_views_are_within_the_range_and_pass_a_gradient(photos):
    leaf = photos.clone().requires_grad_(True)
    views = [augmix.augmix_view(leaf, Noise(seed, torch.arange(6)), severity=5.0) for seed in range(8)]
    stacked = torch.stack(views)
    values = stacked.detach()
    assert float(values.min()) >= -1e-6
    assert float(values.max()) <= 1 + 1e-6
    (gradient,) = torch.autograd.grad(stacked.sum(), leaf)
    assert gradient.isfinite().all()
    assert float(gradient.abs().flatten(1).amax(dim=1).min()) > 0


@pytest.mark.parametrize("operation", [augmix.equalize, augmix.posterize, augmix.solarize])
def test_operations_on_levels_pass_the_gradient_through(photos, operation):
    leaf = photos.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad((operation(leaf, torch.ones(6)) * 3).sum(), leaf)
    assert torch.equal(gradient, torch.full_like(leaf, 3.0))
