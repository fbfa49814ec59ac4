"""The zero-shot model: equations, ensembles, precision, and a meter that no component can talk to."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from scc_core.errors import UserError
from scc_core.models import get_model
from scc_core.models.base import ZeroShotModel
from tests.scc_core.conftest import ConvTower, prompts

pytestmark = pytest.mark.numerics


def test_logits_are_scaled_cosines(conv_model, images):
    features = conv_model.features(images)
    expected = 20.0 * functional.cosine_similarity(features[:, None], conv_model.text_features[None], dim=-1)
    assert torch.allclose(conv_model(images), expected, atol=1e-4)


def test_an_ensemble_averages_normalised_embeddings():
    model = ZeroShotModel(ConvTower(), {"a": ("class 0", "class 1"), "b": ("class 2",)})
    assert torch.allclose(model.text_features[0], torch.tensor([0.5, 0.5, 0.0, 0.0]).sqrt())
    assert torch.allclose(model.text_features[1], torch.tensor([0.0, 0.0, 1.0, 0.0]))


def test_a_bias_shifts_every_logit(images):
    tower = ConvTower()
    plain = ZeroShotModel(tower, prompts(4))(images)
    tower.logit_bias = -3.0
    assert torch.allclose(ZeroShotModel(tower, prompts(4))(images), plain - 3.0)


def test_the_meter_counts_images_forward_and_backward(conv_model, images):
    with conv_model.meter.measure() as counted:
        conv_model(images)
        leaf = images[:5].clone().requires_grad_(True)
        logits = conv_model(leaf)
        assert (counted().forwards, counted().backwards) == (17, 0)
        logits.sum().backward()
        assert (counted().forwards, counted().backwards) == (17, 5)


def test_lower_precision_stays_close_and_gives_float32(images):
    full = ZeroShotModel(ConvTower(), prompts(4))(images)
    half = ZeroShotModel(ConvTower(), prompts(4), "bfloat16")(images)
    assert half.dtype is torch.float32
    assert not torch.equal(full, half)
    assert torch.allclose(full, half, atol=1.0)


def test_unknown_names_say_what_exists():
    with pytest.raises(UserError, match=r"unknown precision 'fp32'.*bfloat16, float16, float32"):
        ZeroShotModel(ConvTower(), prompts(4), "fp32")
    with pytest.raises(UserError, match=r"unknown model 'demo-clp'\. Did you mean 'demo-clip'\?.*hf-hub:OWNER/NAME"):
        get_model("demo-clp")
