"""Attacks and defenses as the command line names them: ``pgd`` or ``pgd:num_steps=2,loss=margin``."""

from __future__ import annotations

from collections.abc import Mapping

from scc_core.attacks import attacks
from scc_core.components.component import BuiltT, Component
from scc_core.components.parameters import ParameterValue
from scc_core.components.registry import Registry
from scc_core.defenses import defenses
from scc_core.errors import UserError

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


def make(registry: Registry[type[BuiltT]], text: str) -> BuiltT:
    """Build what ``text`` names.

    Raises:
        UserError: no such component or parameter, or a value out of range.
    """
    name, separator, given = text.rpartition(":")
    if not separator or "=" not in given:
        name, given = text, ""
    component: Component[BuiltT] = Component(registry.get(name).kind, name, _parameters(text, given))
    return component.build()


def _parameters(text: str, given: str) -> dict[str, ParameterValue]:
    parameters: dict[str, ParameterValue] = {}
    for part in filter(None, given.split(",")):
        key, separator, value = part.partition("=")
        if not separator:
            raise UserError(f"{text!r}: {part!r} is not of the form parameter=value")
        parameters[key] = _BOOLEANS.get(value, value)
    return parameters
