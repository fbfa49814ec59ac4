"""Defenses that transform an image without looking at the model: views, low-pass, JPEG, TTE."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from scc_core.defenses import SCC, TTE, Jpeg, LowPass, ViewAverage
from scc_core.defenses.low_pass import low_pass
from scc_core.defenses.tte import random_crops
from scc_core.noise import Noise
from tests.scc_core.defenses.test_defenses import one_by_one

pytestmark = [pytest.mark.numerics, pytest.mark.usefixtures("float64")]


def restated_views_logits(model, pixels, noise, views=4, sigma=0.02):
    total = 0
    for index in range(views):
        image = pixels.flip(-1) if index % 2 else pixels
        if index >= 2:
            image = (image + sigma * noise.fold(f"view-{index}").normal(tuple(pixels.shape[1:]))).clamp(0, 1)
        total = total + model(image)
    return total / views


@pytest.mark.parametrize("options", [{}, {"views": 3, "sigma": 0.3}, {"views": 1}])
def test_views_is_its_definition(conv_model, images, noise, options):
    names = {"views": "num_views", "sigma": "sigma"}
    ours = ViewAverage(**{names[key]: value for key, value in options.items()})(conv_model, images, noise)
    assert torch.allclose(ours, one_by_one(restated_views_logits, conv_model, images, noise, **options), atol=1e-9)


def test_views_is_what_scc_does_after_its_correction(conv_model, images, noise):
    scc = SCC()
    corrected = scc.correct(conv_model, images, noise)
    assert torch.equal(ViewAverage()(conv_model, corrected, noise), scc.classify(conv_model, corrected, noise))


def restated_low_pass(image, radius):
    """The shifted spectrum, multiplied frequency by frequency."""
    spectrum = np.fft.fftshift(np.fft.fft2(image.double().numpy()), axes=(-2, -1))
    height, width = image.shape[-2:]
    for row in range(height):
        for column in range(width):
            squared = (row - height // 2) ** 2 + (column - width // 2) ** 2
            spectrum[..., row, column] *= np.exp(-squared / (2 * radius**2))
    filtered = np.fft.ifft2(np.fft.ifftshift(spectrum, axes=(-2, -1))).real
    return torch.from_numpy(np.clip(filtered, 0, 1)).float()


@pytest.mark.parametrize("shape", [(8, 8), (7, 10)])
@pytest.mark.parametrize("radius", [0.7, 2.0, 40.0])
def test_low_pass_is_its_definition(shape, radius):
    image = torch.rand(1, 3, *shape, generator=torch.Generator().manual_seed(3))
    assert torch.allclose(low_pass(image, radius), restated_low_pass(image, radius), atol=1e-6)


def test_low_pass_takes_a_radius_per_image(images):
    radii = torch.linspace(0.5, 6, len(images))
    together = low_pass(images, radii.reshape(-1, 1, 1, 1))
    apart = torch.cat([low_pass(image[None], float(radius)) for image, radius in zip(images, radii, strict=True)])
    assert torch.allclose(together, apart, atol=1e-9)


def test_low_pass_stays_in_the_range():
    # A spectrum of one sign at an edge rings beyond [0, 1] unless it is clamped.
    edge = torch.zeros(1, 3, 8, 8)
    edge[..., 3:5] = 1.0
    filtered = low_pass(edge, 2.0)
    assert float(filtered.min()) >= 0
    assert float(filtered.max()) <= 1


def test_low_pass_classifies_the_filtered_image(conv_model, images, noise):
    assert torch.equal(LowPass(radius=2)(conv_model, images, noise), conv_model(low_pass(images, 2.0)))


@pytest.mark.parametrize("quality", [20, 75])
def test_jpeg_is_pillow_s_file(conv_model, images, noise, quality):
    corrected = Jpeg(quality=quality).correct(conv_model, images, noise)
    for ours, image in zip(corrected, images, strict=True):
        file = BytesIO()
        levels = np.rint(image.permute(1, 2, 0).numpy() * 255).astype(np.uint8)
        Image.fromarray(levels, mode="RGB").save(file, "JPEG", quality=quality)
        theirs = np.asarray(Image.open(file)).transpose(2, 0, 1) / 255
        assert np.allclose(ours.numpy(), theirs, atol=1e-6)
    assert torch.equal(Jpeg(quality=quality)(conv_model, images, noise), conv_model(corrected))


def restated_tte_logits(model, pixels, noise, crops=4, padding=0.125):
    """One image; a crop is a shifted window of the image in a black frame."""
    height, width = pixels.shape[-2:]
    border = round(padding * height)
    logits = [model(pixels), model(pixels.flip(-1))]
    for crop in range(crops):
        top, left = (noise.fold(f"crop-{crop}").uniform((2,))[0] * (2 * border + 1)).int().tolist()
        for version in (pixels, pixels.flip(-1)):
            framed = torch.zeros(1, 3, height + 2 * border, width + 2 * border)
            framed[..., border : border + height, border : border + width] = version
            logits.append(model(framed[..., top : top + height, left : left + width]))
    return torch.stack(logits).mean(dim=0)


@pytest.mark.parametrize("options", [{}, {"crops": 2, "padding": 0.5}, {"crops": 0}])
def test_tte_is_its_definition(conv_model, images, noise, options):
    names = {"crops": "num_crops", "padding": "padding"}
    ours = TTE(**{names[key]: value for key, value in options.items()})(conv_model, images, noise)
    assert torch.allclose(ours, one_by_one(restated_tte_logits, conv_model, images, noise, **options), atol=1e-9)


def test_tte_draws_every_window(images):
    place = (torch.arange(64.0).reshape(8, 8) + 1).expand(500, 3, -1, -1)
    (crops,) = random_crops((place,), 0.25, Noise(0, torch.arange(500)))
    # The framed image's pixel (2, 2) is the first one; the middle of a window says where the window lies.
    assert len(crops[:, 0, 4, 4].unique()) == 25
