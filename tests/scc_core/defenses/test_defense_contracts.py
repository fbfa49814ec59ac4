"""What every registered defense owes, whoever wrote it."""

from __future__ import annotations

import inspect

import pytest
import torch

from scc_core.defenses import defenses
from scc_core.models.base import ZeroShotModel
from scc_core.noise import Noise
from tests.scc_core.conftest import ConvTower, prompts

NAMES = list(defenses)
FASTER = {"r-tpt": {"num_views": 6}, "agc": {"num_views": 4}, "hedge": {"num_steps": 5}, "csr": {"threshold": 1.0}}
EXPECTED = {"agc", "anti-adversary", "clipure-cos", "csr", "doc", "flip", "hedge", "jpeg", "low-pass", "mac", "none"}
EXPECTED |= {"r-tpt", "random-noise", "scc", "shift", "tte", "ttc", "views"}


def build(name):
    return defenses.get(name)(**FASTER.get(name, {}))


def test_every_defense_of_the_comparison_is_registered():
    assert set(NAMES) >= EXPECTED


@pytest.mark.parametrize("name", NAMES)
def test_no_defense_is_given_a_label(name):
    for method in ("__call__", "correct", "classify"):
        signature = inspect.signature(getattr(defenses.get(name), method))
        assert list(signature.parameters)[1:] in (["model", "pixels", "noise"], ["model", "images", "noise"])


@pytest.mark.parametrize("name", NAMES)
def test_corrected_images_are_images(name, conv_model, images, noise):
    extremes = ((images - 0.5) * 3 + 0.5).clamp(0, 1)
    corrected = build(name).correct(conv_model, extremes, noise)
    assert corrected.shape == extremes.shape
    assert corrected.dtype == torch.float32
    assert float(corrected.min()) >= 0
    assert float(corrected.max()) <= 1


@pytest.mark.numerics
@pytest.mark.parametrize("name", NAMES)
def test_what_is_declared_randomised_is_and_nothing_else(name, conv_model, images):
    defense, ids = build(name), torch.arange(12)
    first, again, other = (defense(conv_model, images, Noise(seed, ids)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert torch.equal(first, other) != defense.randomised


@pytest.mark.parametrize("name", NAMES)
def test_no_defense_changes_the_images_it_is_given_or_the_global_generator(name, conv_model, images, noise):
    before, state = images.clone(), torch.get_rng_state()
    build(name)(conv_model, images, noise)
    assert torch.equal(images, before)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.numerics
@pytest.mark.parametrize("name", [name for name in NAMES if "unrolled" in defenses.get(name).gradients])
def test_an_unrolled_gradient_is_the_slope_of_the_whole_defense(name, images, noise):
    model = ZeroShotModel(ConvTower(scale=1.0), prompts(4))
    images, defense = images * 0.6 + 0.2, build(name)
    leaf = images.clone().requires_grad_(True)
    whole = defense.classify(model, defense.correct(model, leaf, noise), noise)
    (gradient,) = torch.autograd.grad(whole[:, 0].sum(), leaf)
    generator = torch.Generator().manual_seed(0)
    direction = torch.randn(images.shape, generator=generator)
    direction = direction / direction.flatten(1).norm(dim=1).reshape(-1, 1, 1, 1)
    ahead, behind = (defense(model, images + sign * 0.01 * direction, noise)[:, 0] for sign in (1, -1))
    slope = (gradient * direction).sum(dim=(1, 2, 3))
    assert torch.allclose(slope, (ahead - behind) / 0.02, atol=2e-3, rtol=2e-2)
    assert float(slope.abs().max()) > 0.01


@pytest.mark.parametrize("name", [name for name in NAMES if "bpda" in defenses.get(name).gradients])
def test_a_bpda_attacker_gets_a_gradient_past_the_correction(name, conv_model, images, noise):
    defense = build(name)
    leaf = defense.correct(conv_model, images, noise).detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(defense.classify(conv_model, leaf, noise)[:, 0].sum(), leaf)
    assert gradient.isfinite().all()
    assert float(gradient.abs().flatten(1).amax(dim=1).min()) > 0


@pytest.mark.parametrize("name", NAMES)
def test_every_defense_works_on_two_classes_and_on_one_image(name, images):
    model = ZeroShotModel(ConvTower(num_classes=2, scale=100.0), prompts(2))
    logits = build(name)(model, images[:1], Noise(0, torch.arange(1)))
    assert logits.shape == (1, 2)
    assert logits.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_no_defense_breaks_on_an_image_of_one_colour(name, conv_model):
    logits = build(name)(conv_model, torch.full((2, 3, 8, 8), 0.25), Noise(0, torch.arange(2)))
    assert logits.isfinite().all()
