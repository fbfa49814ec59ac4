"""PGD against closed forms and against a plain re-statement of its definition."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from scc_core.attacks import PGD
from scc_core.models.base import ZeroShotModel
from scc_core.noise import Noise
from tests.scc_core.conftest import LinearTower, prompts

pytestmark = [pytest.mark.numerics, pytest.mark.usefixtures("float64")]


class LinearLogits(LinearTower):
    """Two classes whose logit difference rises with ``w . x`` above -100: the optimum is a corner of the ball."""

    def __init__(self, direction: torch.Tensor) -> None:
        weight = torch.stack([direction, torch.zeros_like(direction)])
        super().__init__(weight, bias=torch.tensor([0.0, 100.0]), scale=3.0)


@pytest.fixture
def linear() -> ZeroShotModel:
    direction = torch.randn(192, generator=torch.Generator().manual_seed(5))
    return ZeroShotModel(LinearLogits(direction), prompts(2))


def test_pgd_reaches_the_closed_form_optimum_of_a_linear_model(linear, noise):
    """The first logit falls with w.x, so the optimum is x - epsilon sign(w), cut at [0, 1]."""
    pixels = torch.rand(12, 3, 8, 8, generator=torch.Generator().manual_seed(2))
    labels = torch.zeros(12, dtype=torch.long)
    epsilon = 8 / 255
    found = PGD(num_steps=40, step_size=1 / 255)(linear, pixels, labels, epsilon, noise).images
    sign = linear.model.weight[0].sign().reshape(3, 8, 8)
    optimum = (pixels - epsilon * sign).clamp(0, 1)
    assert torch.allclose(found, optimum, atol=1e-9)


def restated_pgd(model, pixels, labels, epsilon, noise, num_steps, step_size):
    start = noise.fold("start").uniform((3, 8, 8), -epsilon, epsilon)
    current = torch.clamp(pixels + start, 0, 1)
    for _ in range(num_steps):
        current = current.clone().requires_grad_(True)
        functional.cross_entropy(model(current), labels, reduction="sum").backward()
        with torch.no_grad():
            moved = current + step_size * current.grad.sign()
            current = torch.max(torch.min(moved, pixels + epsilon), pixels - epsilon).clamp(0, 1)
    return current


@pytest.mark.parametrize("epsilon", [1 / 255, 4 / 255])
def test_pgd_is_its_definition(conv_model, images, labels, noise, epsilon):
    ours = PGD()(conv_model, images, labels, epsilon, noise)
    theirs = restated_pgd(conv_model, images, labels, epsilon, noise, 10, 1 / 255)
    assert torch.allclose(ours.images, theirs, atol=1e-9)
    assert (ours.cost.forwards, ours.cost.backwards) == (120, 120)


def test_the_budget_is_exact_and_used(conv_model, images, labels, noise):
    for epsilon in (1 / 255, 4 / 255, 16 / 255):
        found = PGD(num_steps=30)(conv_model, images, labels, epsilon, noise).images
        distance = (found - images).abs().amax(dim=(1, 2, 3))
        assert torch.allclose(distance, torch.full((12,), epsilon), atol=1e-9)
        assert float(found.min()) >= 0
        assert float(found.max()) <= 1


def test_without_random_start_the_noise_is_not_used(conv_model, images, labels):
    attack = PGD(random_start=False)
    first = attack(conv_model, images, labels, 4 / 255, Noise(0, torch.arange(12))).images
    second = attack(conv_model, images, labels, 4 / 255, Noise(1, torch.arange(12))).images
    assert torch.equal(first, second)


def test_with_random_start_the_first_iterate_lies_in_the_ball(conv_model, images, labels, noise):
    found = PGD(num_steps=1, step_size=1e-6)(conv_model, images, labels, 8 / 255, noise).images
    offset = (found - images).abs()
    assert float(offset.max()) <= 8 / 255 + 1e-6
    assert float(offset.mean()) == pytest.approx(4 / 255, rel=0.1)
