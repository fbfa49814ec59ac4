"""The registry: collisions name both parties, wrong names name the nearest, dotted paths need no registration."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from scc_core.attacks import PGD, attacks
from scc_core.components import registry as registry_module
from scc_core.components.registry import Registry
from scc_core.errors import UserError


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
    monkeypatch.setattr(registry_module, "entry_points", _only(entry))
    registry: Registry[type] = Registry("attack", "sccbench.test")
    assert list(registry) == ["mine"]
    assert registry.get("mine") is PGD


def test_without_plugins_no_name_brings_code_of_its_own(monkeypatch, tmp_path):
    (tmp_path / "touches.py").write_text(f"from pathlib import Path\nPath({str(tmp_path / 'ran')!r}).touch()\nit = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    entry = EntryPoint("mine", "touches:it", "sccbench.test")
    monkeypatch.setattr(registry_module, "entry_points", _only(entry))
    monkeypatch.setattr(Registry, "plugins_allowed", False)
    registry: Registry[object] = Registry("attack", "sccbench.test")
    registry.add("own", PGD)
    assert registry.get("own") is PGD
    with pytest.raises(UserError, match=r"attack 'touches:it' is code of its own, which --no-plugins refuses"):
        registry.get("touches:it")
    with pytest.raises(UserError, match=r"attack 'mine' is code of the package touches, which --no-plugins refuses"):
        registry.get("mine")
    with pytest.raises(UserError, match=r"unknown attack 'owm'. Did you mean 'own'\? Existing: own$"):
        registry.get("owm")
    assert not (tmp_path / "ran").exists()


def test_plugins_that_were_loaded_before_are_refused_too(monkeypatch):
    entry = EntryPoint("mine", "scc_core.attacks.pgd:PGD", "sccbench.test")
    monkeypatch.setattr(registry_module, "entry_points", _only(entry))
    registry: Registry[type] = Registry("attack", "sccbench.test")
    assert list(registry) == ["mine"]
    monkeypatch.setattr(Registry, "plugins_allowed", False)
    assert list(registry) == []
    with pytest.raises(UserError, match="which --no-plugins refuses"):
        registry.get("mine")


def _only(entry: EntryPoint):
    def entry_points(group: str, name: str | None = None) -> list[EntryPoint]:
        return [entry] if group == entry.group and name in (None, entry.name) else []

    return entry_points
