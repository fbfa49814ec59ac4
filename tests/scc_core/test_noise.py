"""Noise: the published generator, the distribution, and independence of everything but its four keys."""

from __future__ import annotations

import hashlib

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from scc_core.noise import Noise, normal_quantiles, philox

pytestmark = pytest.mark.numerics

SHAPE = (3, 5, 7)


def words(*values: int) -> tuple[torch.Tensor, ...]:
    return tuple(torch.tensor([value]) for value in values)


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_known_answers_of_its_authors(counter, key, expected):
    result = philox(words(*counter), *key)
    assert tuple(int(word) for word in result) == expected


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=20, unique=True), st.integers(0, 2**31), st.data())
def test_a_sample_s_noise_does_not_depend_on_its_batch(ids, seed, data):
    whole = Noise(seed, torch.tensor(ids), "x").uniform(SHAPE)
    row = data.draw(st.integers(0, len(ids) - 1))
    alone = Noise(seed, torch.tensor([ids[row]]), "x").uniform(SHAPE)
    assert torch.equal(whole[row], alone[0])


def test_select_keeps_each_sample_s_noise():
    noise = Noise(0, torch.arange(10))
    chosen = torch.tensor([7, 2])
    assert torch.equal(noise.select(chosen).normal(SHAPE), noise.normal(SHAPE)[chosen])


@pytest.mark.parametrize(
    "other",
    [
        Noise(1, torch.arange(4), "a"),
        Noise(0, torch.arange(4) + 4, "a"),
        Noise(0, torch.arange(4), "b"),
        Noise(0, torch.arange(4), "a").fold("c"),
        Noise(0, torch.arange(4) + 2**32, "a"),
    ],
    ids=["seed", "sample", "stream", "fold", "high half of the sample id"],
)
def test_every_key_gives_independent_numbers(other):
    first = Noise(0, torch.arange(4), "a").bits((500,)).flatten().double()
    second = other.bits((500,)).flatten().double()
    assert abs(float(torch.corrcoef(torch.stack([first, second]))[0, 1])) < 0.08
    assert int((first == second).sum()) == 0


def test_uniform_is_uniform_on_its_interval():
    draw = Noise(0, torch.arange(50), "u").uniform((2000,), -4 / 255, 4 / 255).flatten()
    assert float(draw.min()) >= -4 / 255
    assert float(draw.max()) < 4 / 255
    assert stats.kstest(draw.numpy(), stats.uniform(-4 / 255, 8 / 255).cdf).pvalue > 0.01


def test_normal_is_normal():
    draw = Noise(0, torch.arange(50), "n").normal((2001,)).flatten()
    assert stats.kstest(draw.numpy(), stats.norm.cdf).pvalue > 0.01
    lag = torch.corrcoef(torch.stack([draw[:-1], draw[1:]]))[0, 1]
    assert abs(float(lag)) < 0.01


def test_normal_quantiles_are_the_same_on_every_machine():
    table = normal_quantiles(torch.device("cpu"))
    assert torch.equal(table, -table.flip(0))
    assert abs(float(table.double().square().mean()) - 1) < 1e-3
    digest = hashlib.sha256(table.numpy().tobytes()).hexdigest()
    assert digest == "c626a2537fccfd81f85b4169ad6b24e695a0fac237e8139a7bd694436252de76"


def test_numbers_are_pinned():
    draw = Noise(7, torch.tensor([0, 123456789]), "attack/start").uniform((2,))
    assert draw.tolist() == [[0.9473792314529419, 0.899432361125946], [0.12311059236526489, 0.02872246503829956]]
