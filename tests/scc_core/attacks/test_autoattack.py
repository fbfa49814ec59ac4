"""AutoAttack's compositions: which parts run, on which images, and the published library as the oracle."""

from __future__ import annotations

import warnings

import pytest
import torch
from pyautoattack.autoattack import AutoAttack as Published

from scc_core.attacks import APGD, AutoAttack
from scc_core.attacks.optimisation import losses
from tests.scc_core.attacks.attack_setting import EPSILON, correct_setting, oracle_setting

pytestmark = [pytest.mark.numerics, pytest.mark.usefixtures("float64")]


@pytest.mark.parametrize(
    ("attacks", "classes", "ran"),
    [
        ("ttc", 2, ("apgd-ce",)),
        ("ttc", 3, ("apgd-ce", "apgd-dlr")),
        ("robustvlm", 3, ("apgd-ce",)),
        ("robustvlm", 4, ("apgd-ce", "apgd-t(num_targets=3)")),
        ("robustvlm", 10, ("apgd-ce", "apgd-t")),
        ("standard", 2, ("apgd-ce", "fab-t(num_targets=1)", "square")),
        ("standard", 100, ("apgd-ce", "apgd-t", "fab-t", "square")),
        ("square + apgd-ce", 4, ("square", "apgd-ce")),
    ],
)
def test_the_composition_follows_from_the_classes(attacks, classes, ran):
    assert AutoAttack(attacks=attacks).composition(classes) == ran


def test_a_list_that_has_a_name_is_that_name():
    assert AutoAttack(attacks=" apgd-ce+apgd-dlr ").parameters() == AutoAttack(attacks="ttc").parameters()
    assert AutoAttack(attacks="apgd-ce + square").attacks == "apgd-ce+square"


def test_robustvlm_agrees_with_the_published_library():
    setting = oracle_setting()
    attack = AutoAttack(attacks="robustvlm")
    found = attack(setting.model, setting.pixels, setting.labels, EPSILON, setting.noise).images
    published = Published(setting.model, attacks=["apgd-ce", "apgd-t"], version="custom", eps=EPSILON, seed=0)
    published.apgd.n_restarts, published.apgd_targeted.n_target_classes = 1, 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        oracle, _ = published.run_standard_evaluation(setting.pixels, setting.labels)
    assert abs(setting.robust(found) - setting.robust(oracle)) <= 1


def test_a_part_changes_only_what_the_earlier_ones_left():
    model, pixels, labels, noise = correct_setting(40)
    first = APGD(num_steps=10)(model, pixels, labels, EPSILON, noise.fold("apgd-ce"))
    with torch.no_grad():
        standing = model(first.images).argmax(dim=1) == labels
    attack = AutoAttack(attacks="apgd-ce+apgd-dlr", num_steps=10)
    both = attack(model, pixels, labels, EPSILON, noise)
    assert 5 < int(standing.sum()) < 35
    assert torch.equal(both.images[~standing], first.images[~standing])
    # All are computed to the end together; alone, an image is spared the parts after the one that breaks it.
    assert both.cost.backwards == first.cost.backwards + 11 * 40
    alone = [
        attack(model, pixels[one], labels[one], EPSILON, noise.select(one)).cost.backwards
        for one in torch.arange(40).split(1)
    ]
    assert alone == [22 if still else 11 for still in standing]


def test_a_survivor_keeps_the_smallest_margin():
    model, pixels, labels, noise = correct_setting(40)
    attack = AutoAttack(attacks="apgd-ce+square", num_steps=10, num_queries=20)
    found = attack(model, pixels, labels, EPSILON, noise).images
    first = APGD(num_steps=10)(model, pixels, labels, EPSILON, noise.fold("apgd-ce")).images
    with torch.no_grad():
        after, before = (losses.margin(model(images), labels) for images in (found, first))
    standing = after >= 0
    assert bool((after[standing] <= before[standing]).all())


def test_standard_runs_all_four_parts():
    model, pixels, labels, noise = correct_setting(20)
    attack = AutoAttack(num_steps=10, num_queries=30)
    found = attack(model, pixels, labels, EPSILON, noise)
    alone = APGD(num_steps=10)(model, pixels, labels, EPSILON, noise.fold("apgd-ce"))
    with torch.no_grad():
        robust = [int((model(images).argmax(dim=1) == labels).sum()) for images in (found.images, alone.images)]
    assert robust[0] <= robust[1]
    assert float((found.images - pixels).abs().max()) <= EPSILON + 1e-6
