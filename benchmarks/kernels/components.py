"""Attacks and defenses as the command line names them: ``pgd`` or ``pgd:num_steps=2,loss=margin``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from scc_core.attacks import attacks
from scc_core.components.parameters import build
from scc_core.components.registry import Registry
from scc_core.defenses import defenses
from scc_core.errors import UserError

ComponentT = TypeVar("ComponentT")

SHORTENED: Mapping[str, str] = {
    "apgd": "apgd:num_steps=10",
    "fab-t": "fab-t:num_steps=5,num_targets=3",
    "square": "square:num_queries=50",
    "autoattack": "autoattack:num_steps=5,num_targets=2,num_queries=50",
}
"""Attacks whose published length would take minutes a batch; their rates per pass do not depend on it."""

_BOOLEANS = {"true": True, "false": False}


def all_attacks() -> list[str]:
    """Return every registered attack, the long ones shortened."""
    return [SHORTENED.get(name, name) for name in attacks]


def all_defenses() -> list[str]:
    """Return every registered defense."""
    return list(defenses)


def make(registry: Registry[type[ComponentT]], text: str) -> ComponentT:
    """Build what ``text`` names.

    Raises:
        UserError: no such component or parameter, or a value out of range.
    """
    name, separator, given = text.rpartition(":")
    if not separator or "=" not in given:
        name, given = text, ""
    return build(registry.kind, name, registry.get(name), _parameters(text, given))


def _parameters(text: str, given: str) -> dict[str, object]:
    parameters: dict[str, object] = {}
    for part in filter(None, given.split(",")):
        key, separator, value = part.partition("=")
        if not separator:
            raise UserError(f"{text!r}: {part!r} is not of the form parameter=value")
        parameters[key] = _BOOLEANS.get(value, value)
    return parameters
