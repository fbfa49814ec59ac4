"""Keys: pinned for ever, equal for what means the same, different for what can change a prediction."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.grid.cell import canonical_json
from scc_core.evaluation.threat import Adaptive
from scc_core.identity import ModelSpec
from tests.orchestrator.conftest import cell, component

GOLDEN = {
    "attacked": (cell(), "7d14413e8b495fec4dcc29fe7ab8d7442f9d9662d101c74d6c421ee0caacebed"),
    "clean": (
        cell(attack=None),
        "003fd0bb952fecf2947e1c43395b09b3026d4e3b5c0ab3515ec09ec9ad8a2b9a",
    ),
    "defended": (
        cell(defense=component("ttc", tau=0.2, num_steps=2)),
        "5d4a967b22779560634978f5bd0890e16974455df4046ba27bef8141586fc01c",
    ),
}


@pytest.mark.parametrize("name", list(GOLDEN))
def test_keys_are_pinned(name):
    """A change here orphans every stored result: raise PROTOCOL_VERSION deliberately or do not change the key."""
    given, expected = GOLDEN[name]
    assert given.key == expected


def test_the_order_of_parameters_and_labels_do_not_matter():
    shuffled = component("pgd", "attack", step_size=1 / 255, random_start=True, num_steps=10)
    assert cell(attack=replace(shuffled, label="anything")).key == cell().key
    assert cell(attack=shuffled) == cell()
    assert hash(cell(attack=shuffled)) == hash(cell())


def test_what_cannot_change_a_prediction_is_not_in_the_key():
    dataset = replace(cell().dataset, size=7, classes=3, demonstration=True)
    assert cell(dataset=dataset).key == cell().key
    assert cell(model=replace(cell().model, demonstration=True)).key == cell().key


@pytest.mark.parametrize(
    "changes",
    [
        {"model": ModelSpec("demo-clip", "ac" * 32)},
        {"model": ModelSpec("other", "ab" * 32)},
        {"attack": component("pgd", "attack", num_steps=11, random_start=True, step_size=1 / 255)},
        {"epsilon_255": 4.0035},
        {"defense": component("flip")},
        {"seed": 1},
        {"precision": "bfloat16"},
        {"precision": "tf32"},
        {"adaptive": Adaptive("bpda", 1)},
        {"adaptive": Adaptive("bpda", 4)},
        {"adaptive": Adaptive("unrolled", 1)},
        *(
            {"dataset": replace(cell().dataset, **{field: "changed"})}
            for field in ("name", "version", "split", "order", "preprocessing", "prompts")
        ),
    ],
)
def test_whatever_can_change_a_prediction_changes_the_key(changes):
    assert cell(**changes).key != cell().key


def test_an_attack_group_shares_adversarial_images():
    ttc = component("ttc")
    assert cell(defense=ttc).attack_group == cell().attack_group
    assert cell(defense=ttc, seed=1).attack_group != cell().attack_group
    known = Adaptive("bpda", 1)
    adaptive = cell(defense=ttc, adaptive=known)
    assert (adaptive.threat_model, cell().threat_model) == ("adaptive", "transfer")
    assert adaptive.attack_group != cell(defense=component("scc"), adaptive=known).attack_group


def test_canonical_json_refuses_what_has_no_canonical_form():
    assert canonical_json({"b": 1, "a": [1.5, "ü"]}) == '{"a":[1.5,"ü"],"b":1}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(float("nan"))
