"""APGD against closed forms, a re-statement of its algorithm for one image, and the published code."""

from __future__ import annotations

import warnings

import pytest
import torch
from pyautoattack.autopgd_base import APGDAttack, APGDAttack_targeted
from torch.nn import functional

from scc_core.attacks import APGD
from scc_core.attacks.apgd import _checkpoints, _Progress
from scc_core.attacks.optimisation import losses
from scc_core.attacks.problem import Point, Problem
from tests.scc_core.attacks.attack_setting import EPSILON, correct_setting, linear_setting, oracle_setting

pytestmark = [pytest.mark.numerics, pytest.mark.usefixtures("float64")]

PARTS = {"ce": {"loss": "ce"}, "dlr": {"loss": "dlr"}, "targeted": {"loss": "dlr-targeted"}}


@pytest.mark.parametrize("part", PARTS)
def test_apgd_agrees_with_the_published_code(part):
    setting = oracle_setting()
    found = APGD(**PARTS[part])(setting.model, setting.pixels, setting.labels, EPSILON, setting.noise).images
    if part == "targeted":
        oracle = APGDAttack_targeted(setting.model, eps=EPSILON, n_iter=100, n_target_classes=3)
    else:
        oracle = APGDAttack(setting.model, eps=EPSILON, n_iter=100, loss=part)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        published = oracle.perturb(setting.pixels, setting.labels)
    assert 20 < setting.robust(published) < 120
    assert abs(setting.robust(found) - setting.robust(published)) <= 1
    assert float((found - setting.pixels).abs().max()) == pytest.approx(EPSILON, abs=1e-9)


def test_checkpoints_are_the_papers():
    """22 %, then 19 %, 16 %, ... of 100 steps, at least 6 %."""
    assert list(_checkpoints(100)) == [22, 41, 57, 70, 80, 87, 93, 99]


def test_apgd_reaches_the_optimum_of_a_linear_boundary_that_it_cannot_cross():
    setting, direction, distance = linear_setting()
    epsilon = 0.9 * float(distance.min())
    found = APGD(num_steps=30)(setting.model, setting.pixels, setting.labels, epsilon, setting.noise).images
    assert setting.robust(found) == 12
    assert torch.allclose(found, setting.pixels - epsilon * direction.sign(), atol=1e-9)


def test_apgd_breaks_what_a_linear_boundary_lets_it_break():
    setting, _, distance = linear_setting()
    epsilon = float(distance.sort().values[5:7].mean())
    found = APGD(num_steps=30)(setting.model, setting.pixels, setting.labels, epsilon, setting.noise).images
    broken = setting.model(found).argmax(dim=1) != 0
    assert torch.equal(broken, distance < epsilon)


def restated_apgd(model, image, label, start, epsilon, num_steps, rho=0.75):
    """Algorithm 1 for one image: iterates, losses and steps in lists, checkpoints as the paper numbers them."""

    def evaluate(point):
        leaf = point.clone().requires_grad_(True)
        logits = model(leaf)
        loss = functional.cross_entropy(logits, label)
        loss.backward()
        return float(loss.detach()), leaf.grad, int(logits.argmax()) != int(label)

    def into_ball(point):
        return torch.max(torch.min(point, image + epsilon), image - epsilon).clamp(0, 1)

    checkpoints, step, interval = [0], 0, int(0.22 * num_steps)
    while step + interval <= num_steps:
        step += interval
        checkpoints.append(step)
        interval = max(interval - max(int(0.03 * num_steps), 1), max(int(0.06 * num_steps), 1))
    eta, current, previous = 2 * epsilon, start, start
    loss, gradient, wrong = evaluate(start)
    rises, best_at_checkpoint, halved_last = [], loss, True
    best, adversarial, history = (loss, start, gradient), start if wrong else None, [loss]
    for number in range(1, num_steps + 1):
        target = into_ball(current + eta * gradient.sign())
        weight = 1.0 if number == 1 else 0.75
        new = into_ball(current + weight * (target - current) + (1 - weight) * (current - previous))
        previous, current = current, new
        loss, gradient, wrong = evaluate(current)
        rises.append(loss > history[-1])
        history.append(loss)
        adversarial = current if wrong else adversarial
        if loss > best[0]:
            best = (loss, current, gradient)
        if number in checkpoints:
            passed = number - checkpoints[checkpoints.index(number) - 1]
            few = sum(rises[-passed:]) < rho * passed
            stuck = not halved_last and best[0] <= best_at_checkpoint
            halved_last, best_at_checkpoint = few or stuck, best[0]
            if halved_last:
                eta, current, gradient = eta / 2, best[1], best[2]
    return best[1] if adversarial is None else adversarial


def test_apgd_is_its_algorithm():
    model, pixels, labels, noise = correct_setting()
    draw = noise.fold("target-1/restart-0").fold("start").uniform((3, 8, 8), -1, 1)
    start = (pixels + EPSILON * draw / draw.abs().amax(dim=(1, 2, 3), keepdim=True)).clamp(0, 1)
    found = APGD(num_steps=50)(model, pixels, labels, EPSILON, noise).images
    for row in range(12):
        one = slice(row, row + 1)
        expected = restated_apgd(model, pixels[one], labels[one], start[one], EPSILON, 50)
        assert torch.allclose(found[one], expected, atol=1e-9)


def stepped(losses_at_steps, progress):
    """Return whether the step was halved after steps with these losses, in which no image moves."""
    before = float(progress.step_size)
    still = torch.zeros(1, 3, 8, 8)
    for loss in losses_at_steps:
        progress.record(still, Point(torch.tensor([[1.0, 0.0]]), torch.tensor([loss]), still))
    progress.restore(still, still)
    return float(progress.step_size) < before


def progress_from(loss):
    _, pixels, _, noise = correct_setting(1)
    problem = Problem("apgd-ce", None, pixels, torch.tensor([0]), EPSILON, noise)
    return _Progress(problem, pixels, Point(torch.tensor([[1.0, 0.0]]), torch.tensor([loss]), pixels), 0.75)


def test_the_step_is_halved_when_fewer_than_rho_of_the_steps_raise_the_loss():
    assert stepped([1.0, 2.0, 1.5, 1.0], progress_from(0.0))
    assert not stepped([1.0, 2.0, 3.0, 2.5], progress_from(0.0))
    assert not stepped([1.0, 2.0, 3.0, 4.0], progress_from(0.0))


def test_the_step_is_halved_when_neither_it_nor_the_best_loss_changed_since_the_last_checkpoint():
    progress = progress_from(0.0)
    assert not stepped([10.0, 1.0, 2.0, 3.0], progress)
    assert stepped([4.0, 5.0, 6.0, 7.0], progress)
    assert not stepped([8.0, 8.5, 9.0, 9.5], progress)


def test_the_first_checkpoint_does_not_ask_for_a_better_loss():
    assert not stepped([1.0, 2.0, 3.0, 4.0], progress_from(10.0))


def test_images_come_back_with_a_smaller_margin_and_misclassified_ones_untouched():
    setting = oracle_setting()
    found = APGD(num_steps=20)(setting.model, setting.pixels, setting.labels, EPSILON, setting.noise).images
    assert torch.equal(found[:10], setting.pixels[:10])
    with torch.no_grad():
        before, after = (losses.margin(setting.model(x), setting.labels)[10:] for x in (setting.pixels, found))
    assert bool((after <= before).all())
    assert int((after < before).sum()) == 190


def test_targets_beyond_k_minus_one_are_dropped():
    attack = APGD(loss="dlr-targeted")
    assert attack.composition(4) == ("apgd-t(num_targets=3)",)
    assert attack.composition(10) == ("apgd-t",)
    assert APGD().composition(2) == ("apgd-ce",)
