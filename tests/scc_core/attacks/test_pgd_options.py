"""PGD's options, FGSM, the papers' CW and view-eot against closed forms and re-statements."""

from __future__ import annotations

import pytest
import torch

from scc_core.attacks import FGSM, PGD, CWLinf, ViewEOT
from scc_core.attacks.optimisation import losses
from scc_core.attacks.optimisation.norms import project_euclidean, random_start_euclidean
from scc_core.attacks.view_eot import MeanOfViews
from scc_core.noise import Noise
from tests.scc_core.attacks.attack_setting import EPSILON, correct_setting, linear_setting

pytestmark = [pytest.mark.numerics, pytest.mark.usefixtures("float64")]


def test_the_defaults_are_ten_steps_of_one_255th():
    given = PGD(step_size="1/255").parameters()
    assert given == PGD().parameters()
    assert (given["num_steps"], given["step_size"], given["relative_step_size"]) == (10, 1 / 255, None)
    assert (given["loss"], given["norm"], given["num_restarts"], given["targeted"]) == ("ce", "linf", 1, False)


def test_a_relative_step_is_a_multiple_of_epsilon(conv_model, images, labels, noise):
    relative = PGD(relative_step_size=0.25)(conv_model, images, labels, 8 / 255, noise).images
    absolute = PGD(step_size=2 / 255)(conv_model, images, labels, 8 / 255, noise).images
    assert torch.equal(relative, absolute)


def test_fgsm_is_one_step_of_epsilon_from_the_image(conv_model, images, labels, noise):
    leaf = images.clone().requires_grad_(True)
    torch.nn.functional.cross_entropy(conv_model(leaf), labels, reduction="sum").backward()
    expected = (images + EPSILON * leaf.grad.sign()).clamp(0, 1)
    found = FGSM()(conv_model, images, labels, EPSILON, noise)
    assert torch.allclose(found.images, expected, atol=1e-9)
    assert (found.cost.forwards, found.cost.backwards) == (12, 12)


def test_l2_steps_reach_the_optimum_of_a_linear_boundary():
    """The first logit falls fastest along -w, so the optimum is x - epsilon w / ||w||_2."""
    setting, direction, _ = linear_setting()
    attack = PGD(norm="l2", num_steps=80, relative_step_size=0.25)
    found = attack(setting.model, setting.pixels, setting.labels, 0.3, setting.noise).images
    assert torch.allclose(found, setting.pixels - 0.3 * direction / direction.norm(), atol=1e-4)


def test_an_l2_projection_shrinks_only_what_is_outside():
    centre = torch.full((2, 3, 8, 8), 0.5)
    offset = torch.zeros_like(centre)
    offset[:, 0, 0, 0], offset[:, 0, 0, 1] = torch.tensor([0.3, 0.03]), torch.tensor([0.4, 0.04])
    found = project_euclidean(centre + offset, centre, 0.1) - centre
    assert found[0, 0, 0, :2].tolist() == pytest.approx([0.06, 0.08], abs=1e-6)
    assert torch.allclose(found[1], offset[1], atol=1e-9)


def test_an_l2_start_is_uniform_in_the_ball():
    """In 192 dimensions the mean radius is 192/193 of epsilon, and no direction is preferred."""
    noise = Noise(0, torch.arange(500))
    offset = random_start_euclidean(torch.full((500, 3, 8, 8), 0.5), 0.2, noise) - 0.5
    radius = offset.flatten(1).norm(dim=1)
    assert float(radius.max()) <= 0.2 + 1e-6
    assert float(radius.mean()) == pytest.approx(0.2 * 192 / 193, rel=2e-3)
    assert float(offset.mean(dim=0).abs().max()) < 0.003


def test_the_embedding_loss_needs_no_label_and_moves_the_embedding_most():
    """||W d||^2 with one row w is largest at d = +-epsilon sign(w)."""
    setting, direction, _ = linear_setting()
    attack = PGD(loss="embedding", num_steps=40)
    found = attack(setting.model, setting.pixels, setting.labels, EPSILON, setting.noise).images
    other = attack(setting.model, setting.pixels, 1 - setting.labels, EPSILON, setting.noise).images
    assert torch.equal(found, other)
    moved = ((found - setting.pixels) * direction).flatten(1).sum(dim=1).abs()
    assert torch.allclose(moved, EPSILON * direction.abs().sum().expand(12), rtol=1e-3)


@pytest.mark.parametrize("loss", ["ce", "margin", "dlr"])
def test_a_targeted_attack_is_its_definition(loss):
    model, pixels, labels, noise = correct_setting()
    logits = model(pixels).detach()
    targets = logits.sort(dim=1).indices[:, -2]
    ascended = {
        "ce": lambda z: losses.targeted_cross_entropy(z, targets),
        "margin": lambda z: losses.targeted_negative_margin(z, targets, 50.0),
        "dlr": lambda z: losses.targeted_dlr(z, labels, targets),
    }[loss]
    current = (pixels + noise.fold("start").uniform((3, 8, 8), -EPSILON, EPSILON)).clamp(0, 1)
    for _ in range(5):
        current = current.detach().requires_grad_(True)
        ascended(model(current)).sum().backward()
        moved = current.detach() + current.grad.sign() / 255
        current = torch.max(torch.min(moved, pixels + EPSILON), pixels - EPSILON).clamp(0, 1)
    found = PGD(num_steps=5, loss=loss, targeted=True)(model, pixels, labels, EPSILON, noise).images
    assert torch.allclose(found, current, atol=1e-9)


def test_the_margin_loss_lets_images_alone_once_they_are_misclassified_by_kappa():
    model, pixels, labels, noise = correct_setting()
    wrong = (labels + 1) % 4
    attack = PGD(loss="margin", kappa=0.0, random_start=False)
    assert torch.equal(attack(model, pixels, wrong, EPSILON, noise).images, pixels)
    moved = PGD(loss="margin", kappa=50.0, random_start=False)(model, pixels, wrong, EPSILON, noise).images
    assert bool(((moved - pixels).abs().amax(dim=(1, 2, 3)) > 0.5 / 255).all())


def test_cw_linf_is_pgd_on_the_margin_loss_with_confidence_50(conv_model, images, labels, noise):
    assert CWLinf().parameters() == PGD(loss="margin", kappa=50.0).parameters()
    named = CWLinf()(conv_model, images, labels, EPSILON, noise).images
    spelled = PGD(loss="margin")(conv_model, images, labels, EPSILON, noise).images
    assert torch.equal(named, spelled)


def test_restarts_keep_the_first_success_or_the_smallest_margin():
    model, pixels, labels, noise = correct_setting(60)
    attack, epsilon = PGD(num_steps=2), 4.5 / 255
    tries = [attack(model, pixels, labels, epsilon, noise).images]
    tries += [attack(model, pixels, labels, epsilon, noise.fold(f"restart-{i}")).images for i in (1, 2)]
    with torch.no_grad():
        margins = torch.stack([losses.margin(model(found), labels) for found in tries])
    broken = margins < 0
    best = torch.where(broken.any(dim=0), broken.int().argmax(dim=0), margins.argmin(dim=0))
    found = PGD(num_steps=2, num_restarts=3)(model, pixels, labels, epsilon, noise).images
    assert set(best.tolist()) == {0, 1, 2}
    assert int(broken[1:].any(dim=0).logical_and(~broken[0]).sum()) > 0
    assert torch.equal(found, torch.stack(tries)[best, torch.arange(60)])


def test_a_batch_is_attacked_again_as_long_as_any_of_it_stands():
    model, pixels, labels, noise = correct_setting(60)
    once = PGD()(model, pixels, labels, EPSILON, noise)
    with torch.no_grad():
        standing = model(once.images).argmax(dim=1) == labels
    twice = PGD(num_restarts=2)
    assert twice(model, pixels, labels, EPSILON, noise).cost.backwards == 10 * (60 + 60)
    alone = [
        twice(model, pixels[one], labels[one], EPSILON, noise.select(one)).cost.backwards
        for one in torch.arange(60).split(1)
    ]
    assert alone == [20 if still else 10 for still in standing]


def test_view_eot_reaches_the_optimum_for_the_mean_of_both_views():
    """The slope is along w plus its mirror image, with nearly equal weight; pixels where they cancel are left out."""
    setting, direction, _ = linear_setting()
    attack = ViewEOT(num_steps=30)
    found = attack(setting.model, setting.pixels, setting.labels, EPSILON, setting.noise)
    both = direction + direction.flip(-1)
    clear = both.abs() > 0.7 * direction.abs().maximum(direction.flip(-1).abs())
    expected = -EPSILON * both.sign().expand_as(found.images)
    assert torch.allclose((found.images - setting.pixels)[:, clear], expected[:, clear], atol=1e-9)
    assert (found.cost.forwards, found.cost.backwards) == (12 * 60, 12 * 60)


def test_view_eot_sees_the_mean_of_both_views():
    model, pixels, _, _ = correct_setting()
    expected = torch.stack([model(pixels), model(pixels.flip(-1))]).mean(dim=0)
    assert torch.allclose(MeanOfViews(model)(pixels), expected, atol=1e-9)


def test_view_eot_survives_a_flip_better_than_pgd():
    model, pixels, labels, noise = correct_setting(100)
    with torch.no_grad():
        kept = [
            int((model(attack(model, pixels, labels, EPSILON, noise).images.flip(-1)).argmax(dim=1) == labels).sum())
            for attack in (PGD(), ViewEOT())
        ]
    assert kept[1] < kept[0]
