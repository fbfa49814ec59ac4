"""Numerics that change without a new version fail here, and the failure names the component."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from scc_core.attacks import PGD, attacks
from scc_core.datasets.pixels import preprocessing
from scc_core.defenses import TTC, Flip, defenses
from scc_core.evaluation.adaptive import DefendedClassifier
from scc_core.evaluation.threat import Adaptive
from scc_core.models.open_clip.model import OpenClipModel
from tests.scc_core.reference_predictions import MODELS, TABLE, Case, Row, brief, cases

pytestmark = pytest.mark.numerics

TOLERANCE = 1e-3
"""Of a margin, in logits. In float64 other instruction sets and numbers of threads moved none by a hundredth of it; a
step that is a hundredth shorter moves margins by ten times it and more."""
WRITE = "python -m tests.scc_core.reference_predictions"

CASES = cases()
ROWS: Mapping[str, Row] = json.loads(TABLE.read_text(encoding="utf-8"))


def problem(name: str, case: Case, row: Row | None) -> str | None:
    """Return what is wrong with a component's numerics or with its row; None where nothing is."""
    if row is None:
        return f"{name} has no reference: {WRITE}"
    if case.version != row["version"]:
        return f"{name} is version {case.version}, its reference {row['version']}: {WRITE}"
    found = case.row()
    if all(found.get(part) == row.get(part) for part in ("predictions", "refused")):
        margins = zip(found.get("margins", ()), row.get("margins", ()), strict=True)
        if all(abs(one - other) <= TOLERANCE for one, other in margins):
            return None
    return (
        f"the numerics of {name} changed: {found}, before {row}. If that is meant, raise the version of its class, "
        f"tell it in the changelog, and write the references anew: {WRITE}"
    )


def test_every_registered_component_has_references_on_both_models():
    for name in MODELS:
        for kind, registry in (("attack", attacks), ("defense", defenses)):
            for registered in registry:
                labels = [f"{kind} {component.label} on {name}" for component in brief(kind, registered)]
                assert set(labels) <= ROWS.keys(), f"no reference for {labels}: {WRITE}"
    assert CASES.keys() == ROWS.keys(), f"components and references differ: {WRITE}"


@pytest.mark.parametrize("name", CASES)
def test_numerics_change_with_a_new_version_alone(name):
    assert problem(name, CASES[name], ROWS.get(name)) is None


ALIKE = (
    {"model", "defense none", "attack fab-t"},
    {"attack pgd", "attack surrogate"},
    {"defense random-noise", "defense ttc"},
)
"""What may have one row: FAB-T breaks no image in so few steps on one model, a model may be its own surrogate, and TTC
keeps the draw of random noise where its gate finds nothing to do."""


def test_options_show_what_they_are_for():
    """A row that repeats another one would not notice a change of what its option switches on."""
    shown: dict[tuple[float, ...], set[str]] = {}
    for name, row in ROWS.items():
        component = name.partition("(")[0].partition(" on ")[0].partition(" demo")[0]
        assert component not in shown.get(tuple(row.get("margins", ())), ()), name
        if "margins" in row:
            shown.setdefault(tuple(row["margins"]), set()).add(component)
    assert [
        alike for alike in shown.values() if not any(alike <= allowed for allowed in ALIKE) and len(alike) > 1
    ] == []


def find(beginning: str) -> str:
    return next(name for name in CASES if name.startswith(beginning) and name.endswith("demo-clip"))


def step_longer(self, *arguments, **options):
    found = OF_PGD(self, *arguments, **options)
    pixels, epsilon = arguments[1], arguments[3]
    return (pixels + (found - pixels) * 0.99).clamp(pixels - epsilon, pixels + epsilon)


OF_PGD = PGD.perturb
OF_TTC = TTC.correct
OF_TOWER = OpenClipModel.encode_image
OF_CALL = DefendedClassifier.__call__

CHANGES = {
    "attack pgd": (PGD, "perturb", step_longer),
    "defense ttc": (TTC, "correct", lambda self, model, pixels, noise: OF_TTC(self, model, pixels * 0.999, noise)),
    "defense flip": (Flip, "correct", lambda self, model, pixels, noise: pixels.flip(-2)),
    "threat model adaptive (bpda": (DefendedClassifier, "__call__", lambda self, pixels: OF_CALL(self, pixels * 0.999)),
    "model demo-clip": (OpenClipModel, "encode_image", lambda self, pixels: OF_TOWER(self, pixels * 0.999)),
}


@pytest.mark.parametrize(("beginning", "change"), CHANGES.items(), ids=CHANGES)
def test_a_planted_change_is_noticed_and_named(monkeypatch, beginning, change):
    monkeypatch.setattr(*change)
    name = find(beginning)
    assert f"the numerics of {name} changed" in (problem(name, CASES[name], ROWS[name]) or "")


def test_a_planted_change_of_a_preprocessing_is_noticed(monkeypatch):
    monkeypatch.setitem(preprocessing.PREPROCESSINGS, "paper", preprocessing.PREPROCESSINGS["native"])
    name = "preprocessing paper"
    assert f"the numerics of {name} changed" in (problem(name, CASES[name], ROWS[name]) or "")


def test_a_new_version_asks_for_a_new_row(monkeypatch):
    monkeypatch.setattr(TTC, "version", 2)
    monkeypatch.setattr(Adaptive, "version", 3)
    raised = cases()
    for beginning, version in (("defense ttc", 2), ("threat model adaptive", 3)):
        name = find(beginning)
        assert problem(name, raised[name], ROWS[name]) == f"{name} is version {version}, its reference 1: {WRITE}"


def test_a_new_defense_without_a_reference_fails(monkeypatch):
    monkeypatch.setitem(defenses._entries, "new", Flip)
    new = cases()
    name = "defense new on demo-clip"
    assert problem(name, new[name], ROWS.get(name)) == f"{name} has no reference: {WRITE}"
    with pytest.raises(AssertionError, match="no reference for"):
        test_every_registered_component_has_references_on_both_models()
