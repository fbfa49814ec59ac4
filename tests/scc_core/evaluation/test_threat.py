"""Threats: the same numbers from the grid to the worker, and what people read of them."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scc_core.components.component import Component
from scc_core.components.parameters import canonical_pixel
from scc_core.evaluation.threat import Adaptive, Threat

PGD = Component("attack", "pgd", {"num_steps": 20}).resolved()


@given(st.floats(0, 1))
def test_a_radius_and_its_written_form_are_one_number(value):
    threat = Threat(None, canonical_pixel(value))
    assert threat.epsilon_255 / 255 == threat.epsilon
    assert round(threat.epsilon_255, 4) == threat.epsilon_255


@pytest.mark.parametrize(
    ("threat", "label"),
    [
        (Threat(None, 0.0), "none"),
        (Threat(PGD, 4 / 255), "pgd(num_steps=20)"),
        (Threat(PGD, 4 / 255, Adaptive("bpda")), "pgd(num_steps=20)"),
        (Threat(PGD, 4 / 255, Adaptive("bpda", 2, "bpda, eot 2")), "pgd(num_steps=20) [bpda, eot 2]"),
    ],
)
def test_a_label_names_the_attack_and_what_was_chosen_of_it(threat, label):
    assert threat.label == label


def test_threats_are_equal_when_they_do_the_same_whatever_they_are_called():
    one, other = (Threat(PGD, 4 / 255, Adaptive("bpda", 2, label), 3) for label in ("", "eot 2"))
    assert (one, hash(one)) == (other, hash(other))
    assert pickle.loads(pickle.dumps(one)) == one
    assert one != Threat(PGD, 4 / 255, Adaptive("bpda", 2), 4)
    assert one.adaptive.specification() == {"gradients": "bpda", "eot_draws": 2}
