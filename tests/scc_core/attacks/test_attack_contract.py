"""What holds for every attack: budget, independence of the batch, determinism, names and planned cost."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch

from scc_core.attacks import APGD, FABT, FGSM, PGD, Attack, AutoAttack, CWLinf, Square, ViewEOT, attacks
from scc_core.attacks.base import input_gradient, project
from scc_core.attacks.optimisation import losses
from scc_core.noise import Noise
from tests.scc_core.attacks.attack_setting import EPSILON, correct_setting

pytestmark = [pytest.mark.numerics, pytest.mark.usefixtures("float64")]

VARIANTS = {
    "fgsm": FGSM(),
    "pgd": PGD(),
    "pgd-restarts": PGD(num_steps=4, num_restarts=3),
    "pgd-targeted": PGD(targeted=True, num_restarts=2),
    "pgd-embedding": PGD(loss="embedding"),
    "pgd-l2": PGD(norm="l2", relative_step_size=0.3),
    "cw-linf": CWLinf(),
    "view-eot": ViewEOT(num_steps=5),
    "apgd-ce": APGD(num_steps=12, num_restarts=2),
    "apgd-dlr": APGD(num_steps=12, loss="dlr"),
    "apgd-t": APGD(num_steps=12, loss="dlr-targeted"),
    "fab-t": FABT(num_steps=8, num_restarts=2),
    "square": Square(num_queries=40),
    "autoattack": AutoAttack(num_steps=8, num_queries=20),
}
FEW = {"num_steps": 8, "num_queries": 20, "num_targets": 2}


def brief(name: str) -> Attack:
    """Build a registered attack that takes few steps; it has those of the parameters that it declares."""
    declared = {field.name for field in fields(attacks.get(name))}
    return attacks.get(name)(**{key: value for key, value in FEW.items() if key in declared})


ATTACKS = {**VARIANTS, **{name: brief(name) for name in attacks if name not in VARIANTS}}
"""Every registered attack, those of this project with the options that make them another attack."""


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_the_budget_holds(attack):
    model, pixels, labels, noise = correct_setting(20)
    for epsilon in (1 / 255, 8 / 255):
        found = attack(model, pixels, labels, epsilon, noise).images
        moved = (found - pixels).flatten(1)
        size = moved.norm(dim=1) if attack.norm == "l2" else moved.abs().amax(dim=1)
        assert float(size.max()) <= epsilon + 1e-6
        assert float(found.min()) >= 0
        assert float(found.max()) <= 1


def moved_by_another_batch(attack):
    """How far any pixel moves when its image is attacked in other batches, in another order, than that of all."""
    model, pixels, labels, noise = correct_setting(24)
    whole = attack(model, pixels, labels, EPSILON, noise).images
    parts = torch.arange(24).flip(0).split([9, 8, 6, 1])
    found = [attack(model, pixels[rows], labels[rows], EPSILON, noise.select(rows)).images for rows in parts]
    return float((torch.cat(found) - whole[torch.cat(parts)]).abs().max())


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_an_image_does_not_depend_on_its_batch(attack):
    assert moved_by_another_batch(attack) < 1e-9


class LessTheMean(FGSM):
    """Steps along what an image's gradient has beyond the mean gradient of its batch."""

    def perturb(self, model, pixels, labels, epsilon, noise):
        gradient = input_gradient(lambda leaf: losses.cross_entropy(model(leaf), labels), pixels)
        return project(pixels + epsilon * (gradient - gradient.mean(dim=0)).sign(), pixels, epsilon)


class DrawsByPlace(PGD):
    """Draws the start by an image's place in the batch instead of its sample id."""

    def perturb(self, model, pixels, labels, epsilon, noise):
        return super().perturb(model, pixels, labels, epsilon, Noise(noise.seed, torch.arange(len(pixels))))


@pytest.mark.parametrize("attack", [LessTheMean(), DrawsByPlace(num_steps=1)], ids=lambda attack: attack.name)
def test_an_attack_that_depends_on_the_batch_is_caught(attack):
    assert moved_by_another_batch(attack) > 1 / 255


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_only_the_seed_makes_it_another_attack(attack):
    model, pixels, labels, noise = correct_setting(12)
    torch.manual_seed(1)
    first = attack(model, pixels, labels, EPSILON, noise).images
    torch.manual_seed(2)
    again = attack(model, pixels, labels, EPSILON, noise).images
    assert torch.equal(first, again)


# FAB-T draws only from its second run per target on, which none of these images may reach.
@pytest.mark.parametrize("name", [name for name in VARIANTS if name != "fab-t"])
def test_another_seed_is_another_attack_where_there_is_randomness(name):
    model, pixels, labels, noise = correct_setting(12)
    first, other = (
        VARIANTS[name](model, pixels, labels, EPSILON, Noise(seed, noise.sample_ids)).images for seed in (3, 4)
    )
    assert torch.equal(first, other) == (name == "fgsm")


@pytest.mark.parametrize("attack", VARIANTS.values(), ids=VARIANTS.keys())
def test_images_that_survive_cost_what_was_planned(attack):
    model, pixels, labels, noise = correct_setting(10)
    cost, planned = attack(model, pixels, labels, 1e-7, noise).cost, attack.nominal_cost(4)
    assert (cost.forwards, cost.backwards) == (10 * planned.forwards, 10 * planned.backwards)


def test_every_attack_goes_by_its_registered_name():
    names = ("apgd", "autoattack", "cw-linf", "fab-t", "fgsm", "pgd", "square", "view-eot")
    assert set(names) <= set(attacks)
    assert [attacks.get(name).name for name in names] == list(names)
    assert PGD().composition(2) == ("pgd",)


def test_an_attack_without_a_name_goes_by_its_class():
    class MyAttack(FGSM):
        pass

    assert MyAttack().composition(2) == ("MyAttack",)
