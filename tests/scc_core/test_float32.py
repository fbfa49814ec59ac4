"""In float32, as runs compute, on whatever processor the tests meet: outcomes and budgets in batches of any size.

Rounding is part of float32: another batch size may have another kernel, and a sign step turns a slope next to 0 into a
whole step of one pixel. What must hold all the same is who is misclassified, but for one image in sixty that may stand
on the boundary, and the budget, for every image. That nothing else depends on the batch is shown in float64, where the
same tests of attacks and defenses allow no image to move.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from scc_core.attacks import FABT, PGD, Attack
from scc_core.batch import Batch
from scc_core.components.component import Component
from scc_core.cost import Cost
from scc_core.defenses import defenses
from scc_core.errors import ComponentError
from scc_core.evaluation.evaluate import evaluate
from scc_core.evaluation.threat import Threat
from scc_core.models.base import VisionLanguageModel, ZeroShotModel
from tests.scc_core.attacks.attack_setting import EPSILON, correct_setting, oracle_setting, published_fab
from tests.scc_core.attacks.test_attack_contract import ATTACKS, VARIANTS
from tests.scc_core.conftest import prompts
from tests.scc_core.defenses.test_defense_contracts import build

pytestmark = pytest.mark.numerics

COUNT, EXCEPTIONS = 60, 1


def in_sevens(function):
    return torch.cat([function(rows) for rows in torch.arange(COUNT).split(7)])


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_breaks_the_same_images_within_its_budget_in_any_batch(name):
    attack = ATTACKS[name]
    model, pixels, labels, noise = correct_setting(COUNT)

    def broken(rows):
        found = attack(model, pixels[rows], labels[rows], EPSILON, noise.select(rows)).images
        assert found.dtype == torch.float32
        moved = (found - pixels[rows]).flatten(1)
        size = moved.norm(dim=1) if attack.norm == "l2" else moved.abs().amax(dim=1)
        assert float(size.max()) <= EPSILON + 1e-6
        assert float(found.min()) >= 0
        assert float(found.max()) <= 1
        return model(found).argmax(dim=1) != labels[rows]

    whole = broken(torch.arange(COUNT))
    # How strong an attack is that is not known here, nobody can ask.
    assert 5 < int(whole.sum()) < 55 or name not in VARIANTS
    assert int((in_sevens(broken) != whole).sum()) <= EXCEPTIONS


@pytest.mark.parametrize("name", list(defenses))
def test_a_defense_predicts_the_same_classes_in_any_batch(name):
    model, pixels, labels, noise = correct_setting(COUNT)
    attacked = PGD()(model, pixels, labels, EPSILON, noise).images
    defense = build(name)

    def predicted(rows):
        return defense(model, attacked[rows], noise.select(rows)).argmax(dim=1)

    whole = predicted(torch.arange(COUNT))
    assert len(whole.unique()) == 4
    assert int((in_sevens(predicted) != whole).sum()) <= EXCEPTIONS


@pytest.mark.parametrize(("epsilon", "num_steps"), [(EPSILON, 20), (32 / 255, 4)])
def test_fab_breaks_what_the_published_code_breaks(epsilon, num_steps):
    setting = oracle_setting()
    found = FABT(num_steps=num_steps)(setting.model, setting.pixels, setting.labels, epsilon, setting.noise).images
    published = published_fab(setting, epsilon, num_steps)
    assert float((found - setting.pixels).abs().max()) <= epsilon
    standing = [setting.model(images).argmax(dim=1) == setting.labels for images in (found, published)]
    assert int((standing[0] != standing[1]).sum()) <= 2
    # A slope next to 0 has another sign, or the projection's float32 sums differ.
    assert int(((found - published).abs().amax(dim=(1, 2, 3)) > 1e-3).sum()) <= 20


class MeanColour(VisionLanguageModel):
    """Embeds the mean colour; it takes large images at no cost."""

    name, image_size, device, logit_scale = "mean colour", 336, torch.device("cpu"), 100.0

    def encode_image(self, pixels):
        return pixels.mean(dim=(2, 3)) - 0.5

    def encode_text(self, texts):
        return torch.eye(3)[: len(texts)]


@pytest.mark.parametrize("radius", [0.5, 3.0, 10.0, 30.0])
def test_a_euclidean_length_of_large_images_may_be_rounded_but_not_exceeded(radius):
    model = ZeroShotModel(MeanColour(), prompts(3))
    pixels = 0.45 + 0.1 * torch.rand(4, 3, 336, 336, generator=torch.Generator().manual_seed(0))
    batch = Batch(pixels, torch.arange(4) % 3, torch.arange(4))
    steps = PGD(norm="l2", num_steps=3, relative_step_size=1.0)
    found = evaluate(
        model, batch, threat=Threat(Component.of(steps), radius), defenses={"": UNDEFENDED}, keep_images=True
    )
    moved = (found.images.double() - pixels.double()).flatten(1).norm(dim=1)
    assert float(moved.max()) <= radius * (1 + 1e-5)
    with pytest.raises(
        ComponentError, match=rf"broke its budget on sample 0: it moved by .* in l2 with epsilon {radius:g} "
    ):
        evaluate(model, batch, threat=Threat(Component.of(OneTooFar()), radius), defenses={"": UNDEFENDED})


UNDEFENDED = Component("defense", "none")


@dataclass(frozen=True)
class OneTooFar(Attack):
    """Moves by a ten-thousandth more than the radius."""

    norm = "l2"

    def perturb(self, model, pixels, labels, epsilon, noise):
        direction = torch.full_like(pixels, pixels[0].numel() ** -0.5)
        return pixels + 1.0001 * epsilon * direction

    def nominal_cost(self, num_classes):
        return Cost()
