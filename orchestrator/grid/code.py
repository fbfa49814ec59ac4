"""What a cell's specification says of code: of a user's own components, and the versions of scc-bench's numerics.

A component of a user's own has a ``code``, and ``codes`` of such models that its parameters name; one of scc-bench has
``numerics`` from its second version on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from orchestrator.grid.cell import canonical_json
from scc_core.components.code import short_code

Specification = Mapping[str, Any]

_PARTS = ("model", "dataset", "attack", "defense")
_CODE = ("code", "codes", "numerics")


class Code(NamedTuple):
    """What identifies the code of a component: ``own`` is None for one of scc-bench, and where it was not recorded."""

    own: str | None
    numerics: int


def without_code(specification: Specification) -> dict[str, Any]:
    """Return what is left of a specification without anything about code."""
    threat_model = specification["threat_model"]
    if isinstance(threat_model, Mapping):
        threat_model = {name: _stripped(one) for name, one in threat_model.items()}
    return {**{name: _stripped(value) for name, value in specification.items()}, "threat_model": threat_model}


def codes_of(specification: Specification) -> dict[tuple[str, str], Code]:
    """Return the code of every component of a cell by its kind and name, models that parameters name included."""
    codes = {}
    for part in _PARTS:
        component = specification[part]
        codes[part, component["name"]] = Code(component.get("code"), component.get("numerics", 1))
        for parameter in component.get("weights", ()):
            own = component.get("codes", {}).get(parameter)
            codes.setdefault(("model", component["parameters"][parameter]), Code(own, 1))
    if isinstance(specification["threat_model"], Mapping):
        for name, threat_model in specification["threat_model"].items():
            codes["threat model", name] = Code(None, threat_model.get("numerics", 1))
    return codes


def code_difference(before: Specification, today: Specification) -> str | None:
    """Return in words what the code of a cell's components was and no longer is; None where it is the same.

    Args:
        before: the cell as it was stored.
        today: the same cell but for code.
    """
    former, latter = codes_of(before), codes_of(today)
    changed, unknown, numerics = [], [], []
    for (kind, name), code in latter.items():
        was = former.get((kind, name), code)
        if was.own is None and code.own is not None:
            unknown.append(name)
        elif was.own != code.own:
            changed.append(name)
        elif was != code:
            numerics.append(name)
    if changed:
        return f"the code of {_listed(changed)} has changed since"
    if unknown:
        return f"the code of {_listed(unknown)} was not recorded in"
    return f"the numerics of {_listed(numerics)} have changed since" if numerics else None


def code_differences(before: Iterable[Specification], today: Iterable[Specification]) -> list[str]:
    """Return, each once, what :func:`code_difference` says of cells that are the same but for code."""
    same = {canonical_json(without_code(one)): one for one in today}
    pairs = ((one, same.get(canonical_json(without_code(one)))) for one in before)
    said = (code_difference(one, other) for one, other in pairs if other is not None)
    return list(dict.fromkeys(filter(None, said)))


def code_label(specification: Specification) -> str | None:
    """Return the code of a cell for people, such as ``attack 0123456789ab; defense version 2``; None without any."""
    labels = [f"{part} {' '.join(words)}" for part in _PARTS if (words := list(_words(part, specification)))]
    return "; ".join(labels) or None


def _words(part: str, specification: Specification) -> Iterator[str]:
    component = specification[part]
    if "code" in component:
        yield short_code(component["code"])
    for parameter, code in sorted(component.get("codes", {}).items()):
        yield f"{parameter} {short_code(code)}"
    if "numerics" in component:
        yield f"numerics {component['numerics']}"
    threat_model = specification["threat_model"]
    if part == "attack" and isinstance(threat_model, Mapping):
        yield from (f"{name} numerics {one['numerics']}" for name, one in threat_model.items() if "numerics" in one)


def _stripped(value: Any) -> Any:
    return {name: one for name, one in value.items() if name not in _CODE} if isinstance(value, Mapping) else value


def _listed(names: list[str]) -> str:
    *first, last = dict.fromkeys(names)
    return f"{', '.join(first)} and {last}" if first else last
