"""Parameters: what users write, what is refused and how, what reaches the identity."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scc_core.attacks import PGD
from scc_core.components.parameters import canonical_pixel, describe, parse_number
from scc_core.defenses import SCC, TTC
from scc_core.errors import UserError


@pytest.mark.parametrize("written", ["1/255", 1 / 255, 0.00392157, "0.00392157", " 1 / 255 ", "3.92157e-3"])
def test_every_way_to_write_a_step_is_one_number(written):
    assert PGD(step_size=written) == PGD()


def test_defaults_written_out_are_the_defaults_left_out():
    assert SCC(**SCC().parameters()) == SCC()


@given(st.floats(0, 1))
def test_canonical_pixel_is_idempotent_and_close(value):
    once = canonical_pixel(value)
    assert canonical_pixel(once) == once
    assert abs(once - value) <= 0.00005 / 255 + 1e-12


@pytest.mark.parametrize(
    ("component", "parameters", "message"),
    [
        (PGD, {"num_steps": 0}, "num_steps: 0 is out of range; allowed: [1, 100000]"),
        (PGD, {"step_size": -1}, "step_size: -1.0 is out of range; allowed: [1e-06, 100]"),
        (PGD, {"num_steps": 2.5}, "num_steps: 2.5 is not a whole number"),
        (PGD, {"num_steps": True}, "num_steps: True is not a number"),
        (PGD, {"random_start": 1}, "random_start: 1 is not true or false"),
        (PGD, {"step_size": "1/0"}, "step_size: '1/0' is not a number"),
        (PGD, {"step_size": "nan"}, "step_size: 'nan' is not finite"),
        (TTC, {"tau": None}, "tau: None is not a number"),
        (SCC, {"temperature": 0}, "temperature: 0.0 is out of range; allowed: [0.01, 1]"),
    ],
)
def test_a_wrong_parameter_is_named_with_what_is_allowed(component, parameters, message):
    with pytest.raises(UserError) as raised:
        component(**parameters)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("value", [None, [], {}, "four", "", float("inf"), float("nan"), "1/255/2", True])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(ValueError, match=r"not"):
        parse_number(value)


def test_description_lists_every_parameter_with_its_range():
    records = {record["name"]: record for record in describe(PGD)}
    assert records["num_steps"] == {
        "name": "num_steps",
        "type": "int",
        "default": 10,
        "range": "[1, 100000]",
        "help": "number of gradient steps",
    }
    assert set(records) == set(PGD().parameters())
    assert {record["name"]: record["default"] for record in describe(TTC)}["epsilon"] == "4/255"
