"""The surrogate attack: PGD on another model, with the victim's prompts and at the victim's expense."""

from __future__ import annotations

import pytest
import torch

from scc_core.attacks import PGD, Surrogate
from scc_core.defenses import Flip
from scc_core.errors import UserError
from scc_core.evaluation.adaptive import DefendedClassifier
from scc_core.models.base import ZeroShotModel
from tests.components import MirroredTower
from tests.scc_core.conftest import prompts

pytestmark = [pytest.mark.numerics, pytest.mark.usefixtures("float64")]

EPSILON = 4 / 255
MIRRORED = "tests.components:mirrored"


def test_the_images_are_those_of_pgd_on_the_source(conv_model, images, labels, noise):
    source = ZeroShotModel(MirroredTower(), prompts(4))
    ours = Surrogate(source=MIRRORED)(conv_model, images, labels, EPSILON, noise)
    assert torch.equal(ours.images, PGD()(source, images, labels, EPSILON, noise).images)
    assert not torch.equal(ours.images, PGD()(conv_model, images, labels, EPSILON, noise).images)


def test_the_passes_count_as_the_victim_s(conv_model, images, labels, noise):
    cost = Surrogate(source=MIRRORED, num_steps=3)(conv_model, images, labels, EPSILON, noise).cost
    assert (cost.forwards, cost.backwards) == (36, 36)


def test_without_a_source_it_is_pgd(conv_model, images, labels, noise):
    ours = Surrogate()(conv_model, images, labels, EPSILON, noise).images
    assert torch.equal(ours, PGD()(conv_model, images, labels, EPSILON, noise).images)


def test_a_source_that_cannot_serve_is_refused(conv_model, images, labels, noise):
    with pytest.raises(UserError, match=r"unknown model 'demo-clp'\. Did you mean 'demo-clip'\?"):
        Surrogate(source="demo-clp")
    with pytest.raises(UserError, match=r"takes images of 16 pixels, but the victim 'linear' takes 8"):
        Surrogate(source="tests.components:large")(conv_model, images, labels, EPSILON, noise)
    defended = DefendedClassifier(conv_model, Flip(), noise)
    with pytest.raises(UserError, match="use it with threat model transfer"):
        Surrogate(source=MIRRORED)(defended, images, labels, EPSILON, noise)
