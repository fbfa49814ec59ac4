"""Square Attack against a loop over single images and the published code, without gradients."""

from __future__ import annotations

import math

import pytest
import torch
from pyautoattack.square import SquareAttack

from scc_core.attacks import APGD, Square
from scc_core.models.base import ZeroShotModel
from tests.scc_core.attacks.attack_setting import EPSILON, correct_setting, linear_setting, oracle_setting
from tests.scc_core.conftest import ConvTower, prompts

pytestmark = [pytest.mark.numerics, pytest.mark.usefixtures("float64")]


class EveryPlace(SquareAttack):
    """The published code, whose squares also reach the last row and column, as in the paper."""

    def random_int(self, low=0, high=1, shape=(1,)):
        return super().random_int(low, high + 1, list(shape))


def test_square_agrees_with_the_published_code():
    setting = oracle_setting()
    found = Square(num_queries=1500)(setting.model, setting.pixels, setting.labels, EPSILON, setting.noise)
    published = EveryPlace(setting.model, eps=EPSILON, n_queries=1500).perturb(setting.pixels, setting.labels)
    assert 20 < setting.robust(published) < 120
    assert abs(setting.robust(found.images) - setting.robust(published)) <= 1
    assert float((found.images - setting.pixels).abs().max()) == pytest.approx(EPSILON, abs=1e-6)
    assert found.cost.backwards == 0


def restated_square(model, image, label, noise, epsilon, num_queries, p_init):
    """Algorithms 1 and 2 for one image of 3 x 8 x 8."""

    def margin(point):
        logits = model(point.unsqueeze(0))[0]
        return float(logits[label] - max(value for k, value in enumerate(logits) if k != label))

    def sign(word):
        return 1.0 if int(word) >= 2**31 else -1.0

    def into_ball(point):
        return torch.max(torch.min(point, image + epsilon), image - epsilon).clamp(0, 1)

    stripes = noise.fold("stripes").bits((3, 1, 8))[0]
    best = into_ball(image + epsilon * torch.tensor([[[sign(w) for w in row] for row in plane] for plane in stripes]))
    lowest = margin(best)
    for number in range(num_queries - 1):
        if lowest < 0:
            break
        position = number * 10_000 // num_queries
        p = p_init * 0.5 ** sum(position > at for at in (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000))
        side = max(1, min(8, round(math.sqrt(p * 64))))
        words = noise.fold(f"squares-{number // 128}").bits((128, 5))[0, number % 128].tolist()
        top, left = (math.floor(word / 2**32 * (9 - side)) for word in words[:2])
        proposal = best.clone()
        for channel in range(3):
            proposal[channel, top : top + side, left : left + side] += 2 * epsilon * sign(words[2 + channel])
        proposal = into_ball(proposal)
        if (found := margin(proposal)) < lowest:
            best, lowest = proposal, found
    return best


@torch.no_grad()
def test_square_is_its_algorithm():
    model, pixels, labels, noise = correct_setting()
    found = Square(num_queries=150, p_init=0.3)(model, pixels, labels, EPSILON, noise).images
    for row in range(12):
        single = noise.select(torch.tensor([row]))
        expected = restated_square(model, pixels[row], int(labels[row]), single, EPSILON, 150, 0.3)
        assert torch.allclose(found[row], expected, atol=1e-9)


def test_square_cannot_break_what_lies_beyond_a_linear_boundary_and_breaks_what_is_near():
    setting, _, distance = linear_setting()
    near, far = distance < distance.median(), distance >= distance.median()
    epsilon = float(distance.median()) * 0.999
    attack = Square(num_queries=3000)
    found = attack(setting.model, setting.pixels, setting.labels, epsilon, setting.noise).images
    broken = setting.model(found).argmax(dim=1) != 0
    assert not bool(broken[far].any())
    assert bool(broken[near & (distance < 0.9 * epsilon)].all())


def test_the_side_follows_the_schedule():
    """p = 0.8 of 100 x 100 pixels, halved after 10, 50, ... squares; the stretched schedule halves twice as early."""
    pixels = torch.zeros(1, 3, 100, 100)
    plain, stretched = Square(rescale_schedule=False), Square(num_queries=5000)
    sides = {query: plain.side(query, pixels) for query in (1, 11, 12, 51, 52, 5000)}
    assert sides == {1: 89, 11: 89, 12: 63, 51: 63, 52: 45, 5000: 8}
    assert [stretched.side(query, pixels) for query in (6, 7)] == [89, 63]


class StepTower(ConvTower):
    """A tower whose gradient is zero everywhere."""

    def encode_image(self, pixels):
        return super().encode_image((pixels * 128).round() / 128)


def test_square_beats_apgd_where_gradients_vanish():
    model = ZeroShotModel(StepTower(), prompts(4))
    _, pixels, _, noise = correct_setting(50)
    with torch.no_grad():
        labels = model(pixels).argmax(dim=1)
        survivors = [
            int((model(attack(model, pixels, labels, EPSILON, noise).images).argmax(dim=1) == labels).sum())
            for attack in (Square(num_queries=500), APGD(num_steps=20))
        ]
    assert survivors[0] < 25
    assert survivors[1] > 40
