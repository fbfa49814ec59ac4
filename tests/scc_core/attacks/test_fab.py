"""FAB-T against a linear boundary, a linear program and the published code."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import linprog

from scc_core.attacks import FABT
from scc_core.attacks.fab import _start
from scc_core.attacks.optimisation.hyperplane import project_on_hyperplane
from scc_core.attacks.problem import Problem
from tests.scc_core.attacks.attack_setting import EPSILON, linear_setting, oracle_setting, published_fab

pytestmark = [pytest.mark.numerics, pytest.mark.usefixtures("float64")]


def test_fab_agrees_with_the_published_code():
    setting = oracle_setting()
    found = FABT(num_steps=50)(setting.model, setting.pixels, setting.labels, EPSILON, setting.noise).images
    published = published_fab(setting, EPSILON, 50)
    assert 20 < setting.robust(published) < 120
    assert setting.robust(found) == setting.robust(published)
    assert torch.allclose(found, published, atol=1e-9)
    assert float((found - setting.pixels).abs().max()) <= EPSILON


def test_a_few_steps_of_fab_are_those_of_the_published_code():
    setting, epsilon = oracle_setting(), 32 / 255
    found = FABT(num_steps=4)(setting.model, setting.pixels, setting.labels, epsilon, setting.noise).images
    published = published_fab(setting, epsilon, 4)
    assert setting.robust(published) < 20
    assert torch.allclose(found, published, atol=1e-9)


def test_fab_finds_the_distance_to_a_linear_boundary():
    setting, _, distance = linear_setting()
    found = FABT(num_steps=50)(setting.model, setting.pixels, setting.labels, 0.5, setting.noise).images
    moved = (found - setting.pixels).abs().amax(dim=(1, 2, 3))
    assert setting.robust(found) == 0
    assert bool((moved > 0.9999 * distance).all())
    assert bool((moved < 1.01 * distance).all())


def test_fab_returns_the_clean_image_where_the_boundary_is_too_far():
    setting, _, distance = linear_setting()
    epsilon = float(distance.sort().values[5:7].mean())
    found = FABT(num_steps=50)(setting.model, setting.pixels, setting.labels, epsilon, setting.noise).images
    far = distance > epsilon
    assert int(far.sum()) == 6
    assert torch.equal(found[far], setting.pixels[far])
    assert torch.equal(setting.model(found).argmax(dim=1) != 0, ~far)


def test_restarts_begin_at_half_of_epsilon_and_run_on_survivors():
    setting = oracle_setting()
    problem = Problem("fab-t", setting.model, setting.pixels, setting.labels, EPSILON, setting.noise)
    offset = _start(problem) - setting.pixels
    assert torch.allclose(offset.abs().amax(dim=(1, 2, 3)), torch.tensor(EPSILON / 2), rtol=0.1)
    assert not torch.equal(_start(problem.fold("another")), _start(problem))
    first = FABT(num_steps=3)(setting.model, setting.pixels, setting.labels, EPSILON, setting.noise)
    more = FABT(num_steps=3, num_restarts=3)(setting.model, setting.pixels, setting.labels, EPSILON, setting.noise)
    assert setting.robust(more.images) <= setting.robust(first.images)
    assert 2 * first.cost.backwards < more.cost.backwards <= 3 * first.cost.backwards


@pytest.mark.parametrize("offset", [0.05, -0.2, 0.7, 3.0, 50.0])
def test_the_projection_is_the_solution_of_the_linear_program(offset):
    """Minimise l subject to -l <= d_i <= l, <w, d> = -excess, 0 <= x + d <= 1; an unreachable plane is approached."""
    random = np.random.default_rng(int(100 * abs(offset)))
    points, normal = random.random((4, 9)), random.normal(size=(4, 9))
    normal[:, 0] = 0.0
    tensors = [torch.tensor(array, dtype=torch.float32) for array in (points, normal, np.full(4, offset))]
    found = project_on_hyperplane(*tensors).numpy()
    for point, weight, step in zip(points, normal, found, strict=True):
        bound = np.concatenate([-np.eye(9), np.eye(9)])
        program = linprog(
            np.append(np.zeros(9), 1.0),
            A_ub=np.hstack([bound, -np.ones((18, 1))]),
            b_ub=np.zeros(18),
            A_eq=np.append(weight, 0.0)[None],
            b_eq=[-offset],
            bounds=[(-value, 1 - value) for value in point] + [(0, None)],
        )
        assert step[0] == 0
        assert (point + step).min() > -1e-6
        assert (point + step).max() < 1 + 1e-6
        if program.success:
            assert np.abs(step).max() == pytest.approx(program.fun, abs=1e-5)
            assert weight @ step == pytest.approx(-offset, abs=1e-5)
        else:
            corner = np.where(-np.sign(offset) * weight > 0, 1.0, 0.0) - point
            assert step[1:] == pytest.approx(corner[1:], abs=1e-6)


def test_targets_beyond_k_minus_one_are_dropped():
    assert FABT().composition(4) == ("fab-t(num_targets=3)",)
    assert FABT().composition(10) == ("fab-t",)
