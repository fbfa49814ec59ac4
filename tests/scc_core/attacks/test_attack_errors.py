"""What attacks refuse, and how they say so."""

from __future__ import annotations

import pytest
import torch

from scc_core.attacks import APGD, FABT, FGSM, PGD, AutoAttack, Square, ViewEOT
from scc_core.errors import ComponentError, UserError
from scc_core.models.base import Meter, ZeroShotModel
from tests.scc_core.attacks.attack_setting import EPSILON, correct_setting, linear_setting
from tests.scc_core.conftest import ConvTower, prompts


@pytest.mark.parametrize(
    ("attack", "given", "message"),
    [
        (PGD, {"num_steps": 0}, r"num_steps: 0 is out of range; allowed: \[1, "),
        (PGD, {"step_size": -1}, "step_size: -1.0 is out of range"),
        (PGD, {"step_size": 0.01, "relative_step_size": 0.25}, "exclude each other"),
        (PGD, {"loss": "cw"}, "unknown value of loss: 'cw'"),
        (PGD, {"norm": "l1"}, "unknown value of norm: 'l1'"),
        (PGD, {"loss": "embedding", "targeted": True}, "cannot be targeted"),
        (PGD, {"loss": "embedding", "random_start": False}, "needs random_start: true"),
        (PGD, {"num_restarts": 2, "random_start": False}, r"allowed: \[1, 1\]"),
        (ViewEOT, {"loss": "embedding"}, "unknown value of loss: 'embedding'"),
        (APGD, {"rho": 1.5}, "rho: 1.5 is out of range"),
        (Square, {"p_init": 0}, "p_init: 0.0 is out of range"),
        (FABT, {"eta": 0.9}, "eta: 0.9 is out of range"),
        (AutoAttack, {"attacks": "apgd-cee"}, "Did you mean 'apgd-ce'"),
        (AutoAttack, {"attacks": "standard+square"}, "unknown part of attacks: 'standard'"),
        (AutoAttack, {"attacks": "square+square"}, "names a part twice"),
    ],
)
def test_a_bad_parameter_is_named(attack, given, message):
    with pytest.raises(UserError, match=message):
        attack(**given)


@pytest.mark.parametrize(
    ("attack", "classes", "needed"),
    [
        (PGD(targeted=True), 2, 3),
        (PGD(loss="margin"), 1, 2),
        (PGD(loss="dlr"), 2, 3),
        (PGD(loss="dlr", targeted=True), 3, 4),
        (APGD(), 1, 2),
        (APGD(loss="dlr"), 2, 3),
        (APGD(loss="dlr-targeted"), 3, 4),
        (FABT(), 1, 2),
        (Square(), 1, 2),
    ],
)
def test_too_few_classes_are_refused(attack, classes, needed):
    with pytest.raises(UserError, match=f"needs at least {needed} classes; the dataset has {classes}"):
        attack.check(classes)
    attack.check(needed)


def test_a_composition_of_which_nothing_can_run_is_refused():
    attack = AutoAttack(attacks="apgd-dlr+apgd-t")
    with pytest.raises(UserError, match=r"none of apgd-dlr\+apgd-t can run on a dataset of 2 classes"):
        attack.check(2)
    attack.check(3)


def test_the_check_comes_before_any_compute():
    setting, _, _ = linear_setting()
    with pytest.raises(UserError, match="needs at least 3 classes"):
        PGD(targeted=True)(setting.model, setting.pixels, setting.labels, EPSILON, setting.noise)
    assert setting.model.meter.forwards == 0


class BrokenTower(ConvTower):
    """Gives NaN for images with a marked corner once it has been asked ``grace`` times."""

    def __init__(self, grace):
        super().__init__()
        self.grace = grace

    def encode_image(self, pixels):
        self.grace -= 1
        marked = (pixels[:, :, 0, 0].mean(dim=1) > 0.9).float().unsqueeze(1)
        return super().encode_image(pixels) * (1 + (marked * float("nan")).nan_to_num(nan=0.0)) + (
            torch.where(marked > 0, float("nan"), 0.0) if self.grace < 0 else 0.0
        )


@pytest.mark.parametrize(
    ("attack", "grace", "message"),
    [
        (FGSM(), 0, "attack fgsm: a loss is not finite on sample 107 at step 1"),
        (PGD(), 2, "attack pgd: a loss is not finite on sample 107 at step 3"),
        (APGD(), 3, "attack apgd-ce: a loss is not finite on sample 107 at step 2"),
        (APGD(), 0, "attack apgd-ce: a logit is not finite on sample 107 at the clean image"),
        (FABT(), 2, "attack fab-t: a loss is not finite on sample 107 at step 1"),
        (Square(), 3, "attack square: a logit is not finite on sample 107 at query 3"),
    ],
)
def test_a_value_that_is_not_finite_names_attack_sample_and_step(attack, grace, message):
    _, pixels, labels, noise = correct_setting()
    pixels = pixels.clamp(max=0.8)
    pixels[7, :, 0, 0] = 1.0
    model = ZeroShotModel(BrokenTower(10**9), prompts(4))
    with torch.no_grad():
        labels = model(pixels).argmax(dim=1)
    model.model.grace = grace
    with pytest.raises(ComponentError, match=message):
        attack(model, pixels, labels, 1 / 255, noise)


class SlopeTower(ConvTower):
    """Finite values with an infinite slope in the image's first pixel where that is 0."""

    def encode_image(self, pixels):
        return super().encode_image(pixels) + pixels[:, 0, :1, 0].sqrt()


def test_a_gradient_that_is_not_finite_is_named():
    _, pixels, labels, noise = correct_setting()
    pixels[3, 0, 0, 0] = 0.0
    with pytest.raises(ComponentError, match="attack fgsm: a gradient is not finite on sample 103 at step 1"):
        FGSM()(ZeroShotModel(SlopeTower(), prompts(4)), pixels, labels, EPSILON, noise)


class NoGradTower(ConvTower):
    @torch.no_grad()
    def encode_image(self, pixels):
        return super().encode_image(pixels)


def test_a_model_without_gradients_is_refused_by_a_gradient_attack_and_not_by_square():
    _, pixels, labels, noise = correct_setting()
    model = ZeroShotModel(NoGradTower(), prompts(4))
    with pytest.raises(ComponentError, match="attack pgd needs gradients"):
        PGD()(model, pixels, labels, EPSILON, noise)
    assert Square(num_queries=5)(model, pixels, labels, EPSILON, noise).cost.backwards == 0


def test_the_embedding_loss_needs_a_model_with_embeddings():
    class Bare:
        meter, num_classes = Meter(), 4

        def __call__(self, pixels):
            raise AssertionError("not reached")

    _, pixels, labels, noise = correct_setting()
    with pytest.raises(UserError, match="needs a model with image features"):
        PGD(loss="embedding")(Bare(), pixels, labels, EPSILON, noise)
