"""The keys of every attack and defense, transferred and adaptive, written in every way that means the same.

``data/cell_keys.json`` holds grids that mean the same, and what identified their cells when results were first stored:
the key, the label of the attack, the threat model, the label of the defense and the key of the attack group.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from scc_core.attacks import attacks
from scc_core.defenses import defenses
from tests.orchestrator.grid.test_expand import cells

FORMER, TODAY = "transfer", "surrogate"
"""The one attack that had another name, which grids may still give it and keys keep."""


@pytest.fixture(autouse=True)
def _no_code_of_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys hang on attacks and defenses alone, not on what the tests' own model and dataset look like today."""
    for module in ("scc_core.models.catalog", "scc_core.datasets.registry"):
        monkeypatch.setattr(f"{module}.code_of", lambda *_: None)


PINNED = json.loads((Path(__file__).parent / "data" / "cell_keys.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("pinned", PINNED, ids=lambda pinned: json.dumps(pinned["grids"][0]))
def test_keys_and_labels_are_pinned(pinned):
    """A change here orphans stored results: see ``test_cell.py``."""
    expected = [[key, renamed(attack), *rest] for key, attack, *rest in pinned["cells"]]
    grids = pinned["grids"]
    for lines in [
        *grids,
        *({**lines, "attacks": renamed(lines["attacks"], '"')} for lines in grids if "attacks" in lines),
    ]:
        found = [
            [cell.key, cell.threat.label, cell.threat_model, cell.defense.label, cell.attack_group]
            # Some of the grids have lengths without a unit, which only grids of earlier runs may have.
            for cell in cells(**lines, stored=True)
        ]
        assert sorted(found) == expected


def renamed(text: str, quote: str = "") -> str:
    return text.replace(f"{quote}{FORMER}{quote}", f"{quote}{TODAY}{quote}")


def test_everything_of_version_0_1_0_is_pinned_and_still_there():
    pinned_cells = [cell for one in PINNED for cell in one["cells"]]
    pinned = {(re.split(r"[ (]", renamed(label))[0], threat) for _, label, threat, _, _ in pinned_cells}
    names = {name for name, _ in pinned}
    assert len(names) == 10
    assert names - {"none"} <= set(attacks)
    assert pinned >= {(name, threat) for name in names - {"none"} for threat in ("transfer", "adaptive")}
    pinned = {(threat, label.partition("(")[0]) for _, _, threat, label, _ in pinned_cells}
    names = {name for _, name in pinned}
    assert len(names) == 18
    assert names <= set(defenses)
    adaptive = {name for name in names - {"none"} if defenses.get(name).gradients != ("none",)}
    assert pinned >= {("transfer", name) for name in names} | {("adaptive", name) for name in adaptive}


@pytest.mark.parametrize("pattern", ["transfer", "surrogate", "transfer(source=*)", "surrogate*"])
def test_both_names_exclude_the_attack(pattern):
    attack = "[pgd, {transfer: {source: 'tests.components:mirrored'}}]"
    left = cells(attacks=attack, exclude=f"[{{attack: '{pattern}'}}]")
    assert {cell.threat.label for cell in left} == {"pgd"}
