"""The registry: collisions name both parties, wrong names name the nearest, dotted paths need no registration."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from scc_core import registry as registry_module
from scc_core.attacks import PGD, attacks
from scc_core.errors import UserError
from scc_core.registry import Registry


def test_a_taken_name_names_both_parties():
    registry: Registry[str] = Registry("thing", "sccbench.test")
    registry.add("a", "first")
    registry.add("a", "first")
    with pytest.raises(ValueError, match=r"'a' is registered twice: 'first' and 'second'"):
        registry.add("a", "second")


def test_an_unknown_name_says_what_exists_and_what_is_near():
    with pytest.raises(UserError, match=r"unknown attack 'pdg'\. Did you mean 'pgd'\? Existing: .*pgd"):
        attacks.get("pdg")


def test_a_dotted_path_is_imported():
    assert attacks.get("scc_core.attacks.pgd:PGD") is PGD


@pytest.mark.parametrize("path", ["no_such_module:PGD", "scc_core.attacks.pgd:Missing"])
def test_a_dotted_path_that_leads_nowhere_is_a_user_error(path):
    with pytest.raises(UserError, match=path):
        attacks.get(path)


def test_entry_points_fill_the_registry(monkeypatch):
    entry = EntryPoint("mine", "scc_core.attacks.pgd:PGD", "sccbench.test")
    monkeypatch.setattr(registry_module, "entry_points", lambda group: [entry] if group == "sccbench.test" else [])
    registry: Registry[type] = Registry("attack", "sccbench.test")
    assert list(registry) == ["mine"]
    assert registry.get("mine") is PGD
