"""The defended classifier: BPDA, unrolled gradients, EOT and its draws."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch

from scc_core.attacks import APGD, PGD, AutoAttack, Square
from scc_core.defenses.base import Defense
from scc_core.defenses.controls import Flip, NoDefense, RandomNoise
from scc_core.defenses.ttc import TTC
from scc_core.errors import ComponentError, UserError
from scc_core.evaluation.adaptive import DefendedClassifier, choose_gradients
from scc_core.evaluation.threat import Adaptive
from tests.scc_core.attacks.attack_setting import EPSILON, correct_setting

pytestmark = [pytest.mark.numerics, pytest.mark.usefixtures("float64")]


@dataclass(frozen=True)
class Quantise(Defense):
    """Round every pixel to a multiple of 1/64: a small change whose gradient is zero."""

    gradients: ClassVar = ("bpda", "unrolled")

    def correct(self, model, pixels, noise):
        return (pixels * 64).round() / 64


@dataclass(frozen=True)
class Secret(Quantise):
    gradients: ClassVar = ("none",)


@dataclass(frozen=True)
class OnlyBPDA(Quantise):
    gradients: ClassVar = ("bpda",)


def gradient_of(classifier, pixels):
    leaf = pixels.clone().requires_grad_(True)
    return torch.autograd.grad(classifier(leaf)[:, 0].sum(), leaf)[0]


def test_no_defense_is_the_model():
    model, pixels, labels, noise = correct_setting()
    classifier = DefendedClassifier(model, NoDefense(), noise)
    assert torch.equal(classifier(pixels), model(pixels))
    ours, theirs = (PGD()(target, pixels, labels, EPSILON, noise) for target in (classifier, model))
    assert torch.equal(ours.images, theirs.images)
    assert ours.cost == theirs.cost


def test_bpda_runs_the_correction_forward_and_skips_it_backward():
    model, pixels, _, noise = correct_setting()
    classifier = DefendedClassifier(model, Quantise(), noise, Adaptive("bpda"))
    corrected = (pixels * 64).round() / 64
    assert torch.equal(classifier(pixels), model(corrected))
    assert torch.equal(gradient_of(classifier, pixels), gradient_of(model, corrected))


def test_unrolled_gradients_are_those_of_the_defense():
    model, pixels, _, noise = correct_setting()
    flipped = DefendedClassifier(model, Flip(), noise)
    assert torch.allclose(gradient_of(flipped, pixels), gradient_of(model, pixels.flip(-1)).flip(-1), atol=1e-9)
    quantised = DefendedClassifier(model, Quantise(), noise, Adaptive("unrolled"))
    assert float(gradient_of(quantised, pixels).abs().max()) == 0.0


@pytest.mark.parametrize("attack", [PGD(random_start=False), APGD(num_steps=20)], ids=["pgd", "apgd"])
def test_bpda_succeeds_where_the_plain_gradient_vanishes(attack):
    model, pixels, _, noise = correct_setting(60)
    defense = Quantise()
    labels = defense(model, pixels, noise).argmax(dim=1)
    kept = {}
    for way in ("unrolled", "bpda"):
        classifier = DefendedClassifier(model, defense, noise, Adaptive(way))
        found = attack(classifier, pixels, labels, EPSILON, noise).images
        kept[way] = int((defense(model, found, noise).argmax(dim=1) == labels).sum())
    assert kept["unrolled"] >= 50
    assert kept["bpda"] <= 35


def test_the_logits_are_the_mean_over_the_draws():
    model, pixels, _, noise = correct_setting()
    defense = RandomNoise()
    classifier = DefendedClassifier(model, defense, noise, Adaptive(eot_draws=3))
    with torch.no_grad():
        for call in range(2):
            drawn = replace(noise, sample_ids=noise.sample_ids + call * 2**32)
            draws = [defense(model, pixels, drawn.fold(f"eot-{number}")) for number in range(3)]
            assert torch.allclose(classifier(pixels), sum(draws) / 3, atol=1e-9)


def test_draws_are_fresh_on_every_call_and_the_same_in_every_process():
    model, pixels, _, noise = correct_setting()
    with torch.no_grad():
        first, second = DefendedClassifier(model, RandomNoise(), noise), DefendedClassifier(model, RandomNoise(), noise)
        calls = [first(pixels), first(pixels)]
        assert not torch.allclose(calls[0], calls[1])
        assert torch.equal(second(pixels), calls[0])
        assert torch.equal(second(pixels), calls[1])


def test_noise_follows_its_sample_through_a_selection():
    model, pixels, _, noise = correct_setting()
    rows = torch.tensor([7, 2])
    with torch.no_grad():
        whole, part = DefendedClassifier(model, RandomNoise(), noise), DefendedClassifier(model, RandomNoise(), noise)
        expected = [whole(pixels), whole(pixels)]
        assert torch.allclose(part.select(rows)(pixels[rows]), expected[0][rows], atol=1e-9)
        mixed = part(pixels)
        assert torch.allclose(mixed[rows], expected[1][rows], atol=1e-9)
        others = torch.tensor([0, 1, 3])
        assert torch.allclose(mixed[others], expected[0][others], atol=1e-9)


@pytest.mark.parametrize(
    "attack",
    [
        PGD(num_steps=3, num_restarts=3),
        APGD(num_steps=8),
        Square(num_queries=40),
        AutoAttack("apgd-ce+square", 6, 3, 20),
    ],
    ids=["pgd", "apgd", "square", "autoattack"],
)
def test_a_randomised_defense_is_attacked_independently_of_the_batch(attack):
    model, pixels, labels, noise = correct_setting()

    def attacked(rows):
        chosen = noise.select(rows)
        classifier = DefendedClassifier(model, RandomNoise(), chosen, Adaptive(eot_draws=2))
        return attack(classifier, pixels[rows], labels[rows], EPSILON, chosen).images

    whole = attacked(torch.arange(12))
    for rows in (torch.arange(5), torch.tensor([11, 2, 7]), torch.tensor([4])):
        assert torch.allclose(attacked(rows), whole[rows], atol=1e-9)


def test_passes_of_the_defense_count_as_the_attackers():
    model, pixels, labels, noise = correct_setting()
    defense = TTC(tau=1e9)
    classifier = DefendedClassifier(model, defense, noise, Adaptive(eot_draws=2))
    cost = PGD(num_steps=3)(classifier, pixels, labels, EPSILON, noise).cost
    planned = defense.nominal_cost(4).total
    assert cost.forwards == 12 * 3 * 2 * planned.forwards
    assert cost.backwards == 12 * 3 * 2 * (planned.backwards + 1)


def test_a_defense_without_randomness_is_drawn_once():
    model, pixels, _, noise = correct_setting()
    with model.meter.measure() as counted:
        DefendedClassifier(model, Flip(), noise, Adaptive(eot_draws=8))(pixels)
        assert counted().forwards == 12


def test_the_embedding_of_a_defended_image_can_be_attacked():
    model, pixels, labels, noise = correct_setting()
    classifier = DefendedClassifier(model, Quantise(), noise, Adaptive("bpda"))
    assert torch.equal(classifier.features(pixels), model.features((pixels * 64).round() / 64))
    found = PGD(loss="embedding")(classifier, pixels, labels, EPSILON, noise).images
    with torch.no_grad():
        moved = (classifier.features(found) - classifier.features(pixels)).norm(dim=1)
    assert float(moved.min()) > 0.01


def test_the_strongest_declared_gradients_are_chosen():
    assert choose_gradients(Quantise(), None) == "unrolled"
    assert choose_gradients(Quantise(), "bpda") == "bpda"
    assert choose_gradients(OnlyBPDA(), None) == "bpda"


def test_what_a_defense_does_not_declare_is_refused():
    model, pixels, _, noise = correct_setting()
    with pytest.raises(UserError, match="defense Secret declares no gradients"):
        DefendedClassifier(model, Secret(), noise)
    with pytest.raises(UserError, match=r"unknown gradients of defense OnlyBPDA: 'unrolled'.*Existing: bpda"):
        DefendedClassifier(model, OnlyBPDA(), noise, Adaptive("unrolled"))
    with pytest.raises(UserError, match="eot_draws is 0, expected a whole number, 1 or more"):
        DefendedClassifier(model, Quantise(), noise, Adaptive(eot_draws=0))
    with pytest.raises(ComponentError, match="bound to 12 images was called with 5"):
        DefendedClassifier(model, Quantise(), noise)(pixels[:5])
