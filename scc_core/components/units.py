"""Lengths whose unit may have been forgotten: papers write ``--epsilon 1`` for 1/255, and here 1 is the whole range.

Under L-inf a radius above 64/255, and a step above twice the radius that it is projected on, are refused unless they
are written as a fraction of 255. What a user did not write is never refused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from scc_core.components.component import Component
from scc_core.components.parameters import (
    DEVIATION,
    PIXEL,
    RADII,
    Of255,
    Parametrised,
    canonical_pixel,
    parse_length,
    parse_number,
    written,
    written_radius,
)
from scc_core.errors import UserError

LARGEST_RADIUS = canonical_pixel(64 / 255)
"""The largest L-inf radius that needs no unit: a quarter of the range, beyond which images are no longer recognised."""

LONGEST_STEP = 2.0
"""The longest step in radii: it leads from one side of the ball to the other, and every longer one is cut off."""

RADIUS = "epsilon"
"""The parameter of a defense that is the radius of its own ball."""

_INF = "linf"
_LIMIT = "64/255, the most that needs no unit"
_CLEARLY_A_FRACTION = 0.1
"""A length below it is no number that papers mean as so many 255ths."""


def norm_of(attack: Component[Any] | None) -> str | None:
    """Return the norm of an attack's radius, ``linf`` or ``l2``; None for clean images."""
    return None if attack is None else str(getattr(attack.build(), "norm", _INF))


def check_attack(attack: Component[Any], epsilon: float) -> None:
    """Check a radius, and the steps that its user wrote, of an attack.

    Args:
        attack: as its user wrote it, not resolved.
        epsilon: in [0, 1] pixel units, as :func:`~scc_core.components.parameters.parse_epsilon` returns it.

    Raises:
        UserError: the radius is not of the attack's norm, or a length has probably another unit.
    """
    norm = norm_of(attack) or _INF
    if norm == _INF and epsilon > 1:
        hint = "" if isinstance(epsilon, Of255) else f"; did you mean {epsilon:g}/255?"
        outside = f"epsilon: {_shown(epsilon)} is outside [0, 1], the range of pixels"
        raise UserError(f"{outside}, for {_named(attack)}, whose norm is L-inf{hint}")
    if norm == _INF and epsilon > LARGEST_RADIUS and not isinstance(epsilon, Of255):
        raise UserError(f"epsilon: {_above(epsilon, _LIMIT)}")
    for name, length in _given(attack, PIXEL):
        if beyond(length, epsilon) and not isinstance(length, Of255):
            raise UserError(f"{_named(attack)}: {name}: {_above(length, _twice(epsilon, norm), norm)}")
    for name, ratio in _given(attack, RADII):
        if ratio > LONGEST_STEP:
            raise UserError(
                f"{_named(attack)}: {name}: {ratio:g} is above 2: it is a multiple of epsilon, and a step of two radii "
                "leads through the whole ball; give at most 2"
            )


def check_defense(defense: Component[Any]) -> None:
    """Check the lengths of a defense that its user wrote: its own radius, and its steps against that radius.

    Args:
        defense: as its user wrote it, not resolved.

    Raises:
        UserError: a length has probably another unit.
    """
    built = defense.build()
    radius = _radius(built)
    steps = set() if radius is None else set(_names(type(built), PIXEL)) - {RADIUS}
    for name, length in (*_given(defense, PIXEL), *_given(defense, DEVIATION)):
        if isinstance(length, Of255):
            continue
        if name in steps and radius is not None and beyond(length, radius):
            raise UserError(f"{_named(defense)}: {name}: {_above(length, _twice(radius))}")
        if name not in steps and length > LARGEST_RADIUS:
            raise UserError(f"{_named(defense)}: {name}: {_above(length, _LIMIT)}")


def beyond(step: float, radius: float) -> bool:
    """Tell whether a step is above twice the radius, both in [0, 1] pixel units; a ball of no radius has no steps."""
    return radius > 0 and canonical_pixel(step) > canonical_pixel(LONGEST_STEP * radius)


def steps_beyond_the_ball(attack: Parametrised | None, epsilon: float, defense: Parametrised | None) -> bool:
    """Tell whether a step is above twice its radius: of the attack, or of the defense inside a ball of its own."""
    radius = _radius(defense)
    return (
        any(beyond(step, radius or 0.0) for name, step in _lengths(defense, PIXEL) if name != RADIUS)
        or any(beyond(step, epsilon) for _, step in _lengths(attack, PIXEL))
        or any(ratio > LONGEST_STEP for _, ratio in _lengths(attack, RADII))
    )


def radius_is_large(attack: Parametrised | None, epsilon: float, defense: Parametrised | None) -> bool:
    """Tell whether the L-inf radius of the attack, or that of the defense's own ball, is above 64/255."""
    attacked = attack is not None and getattr(attack, "norm", _INF) == _INF and epsilon > LARGEST_RADIUS
    return attacked or (_radius(defense) or 0.0) > LARGEST_RADIUS


def steps_of(attack: Parametrised, epsilon: float) -> dict[str, float]:
    """Return every step of an attack in [0, 1] pixel units at a radius, by parameter."""
    multiples = {name: ratio * epsilon for name, ratio in _lengths(attack, RADII)}
    return {**dict(_lengths(attack, PIXEL)), **multiples}


def lengths_of(built: Parametrised) -> dict[str, float]:
    """Return every length in [0, 1] pixel units of an attack or a defense, by parameter, deviations included."""
    return dict((*_lengths(built, PIXEL), *_lengths(built, DEVIATION)))


def _radius(defense: Parametrised | None) -> float | None:
    return dict(_lengths(defense, PIXEL)).get(RADIUS)


def _names(implementation: type[Any], unit: str) -> list[str]:
    return [field.name for field in dataclasses.fields(implementation) if field.metadata.get("unit") == unit]


def _lengths(built: Parametrised | None, unit: str) -> Iterator[tuple[str, float]]:
    if built is None:
        return
    for name in _names(type(built), unit):
        if (value := getattr(built, name)) is not None:
            yield name, float(value)


def _given(component: Component[Any], unit: str) -> Iterator[tuple[str, float]]:
    """Yield the lengths or ratios that a user wrote, as written; what equals the default may be the default."""
    implementation = type(component.build())
    default, given = implementation().parameters(), component.as_given()
    read = parse_number if unit == RADII else parse_length
    for name in _names(implementation, unit):
        if given.get(name) is None:
            continue
        value = read(given[name])
        if default[name] is None or value != read(default[name]):
            yield name, value


def _shown(length: float) -> str:
    return written(length, PIXEL) if isinstance(length, Of255) else f"{length:g}"


def _twice(radius: float, norm: str = _INF) -> str:
    return f"twice the radius {written_radius(radius, norm)}"


def _above(length: float, limit: str, norm: str = _INF) -> str:
    """Say what is above a limit, and how it is written if it is meant."""
    if norm != _INF:
        return f"{written_radius(length, norm)} is above {limit}, so that every step is cut off; give a shorter one"
    meant = written(float(length), PIXEL)
    if length < _CLEARLY_A_FRACTION:
        return f"{length:g} is {meant}, above {limit}; write {meant} if that is meant"
    return (
        f"{length:g} is {meant}, above {limit}; papers write {length:g} for {length:g}/255: write {length:g}/255, "
        f"or {meant} if that is meant"
    )


def _named(component: Component[Any]) -> str:
    return f"{component.kind} {component.name!r}"
