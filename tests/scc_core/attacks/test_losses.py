"""The attacks' losses against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from scc_core.attacks.optimisation import losses

pytestmark = pytest.mark.numerics

LOGITS = torch.tensor([[4.0, 1.0, 0.0, -2.0], [1.0, 3.0, 2.5, 0.0]])
LABELS = torch.tensor([0, 2])
TARGETS = torch.tensor([1, 0])


def test_cross_entropy_is_the_negative_log_probability():
    total = sum(math.exp(value) for value in (4.0, 1.0, 0.0, -2.0))
    assert float(losses.cross_entropy(LOGITS, LABELS)[0]) == pytest.approx(math.log(total) - 4.0)
    assert float(losses.targeted_cross_entropy(LOGITS, TARGETS)[0]) == pytest.approx(1.0 - math.log(total))


def test_the_margin_is_negative_where_misclassified():
    assert losses.margin(LOGITS, LABELS).tolist() == [3.0, -0.5]


def test_the_papers_cw_loss_stops_at_its_confidence():
    assert losses.negative_margin(LOGITS, LABELS).tolist() == [-53.0, -49.5]
    assert losses.negative_margin(LOGITS, LABELS, kappa=0.25).tolist() == [-3.25, 0.0]


def test_the_targeted_margin_looks_at_the_target():
    """The targets lie 3 below the largest logit and 2 below."""
    assert losses.targeted_negative_margin(LOGITS, TARGETS, kappa=1.0).tolist() == [-4.0, -3.0]
    assert losses.targeted_negative_margin(LOGITS, torch.tensor([0, 1]), kappa=0.25).tolist() == [0.0, 0.0]


def test_dlr_divides_the_margin_by_first_minus_third():
    assert losses.dlr(LOGITS, LABELS).tolist() == pytest.approx([-3 / 4, 0.5 / 2])


def test_targeted_dlr_divides_by_first_minus_the_mean_of_third_and_fourth():
    assert losses.targeted_dlr(LOGITS, LABELS, TARGETS).tolist() == pytest.approx([-3 / 5, -1.5 / 2.5])


def test_dlr_ignores_shift_and_scale_of_the_logits():
    for loss in (losses.dlr(7 * LOGITS + 3, LABELS), losses.targeted_dlr(7 * LOGITS + 3, LABELS, TARGETS)):
        assert loss.shape == (2,)
    assert torch.allclose(losses.dlr(7 * LOGITS + 3, LABELS), losses.dlr(LOGITS, LABELS))
    assert torch.allclose(
        losses.targeted_dlr(7 * LOGITS + 3, LABELS, TARGETS), losses.targeted_dlr(LOGITS, LABELS, TARGETS)
    )
