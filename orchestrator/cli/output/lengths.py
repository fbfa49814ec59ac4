"""What ``sccbench plan`` prints of radii and steps: all in 1/255, those of L2 attacks as they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from orchestrator.cli.options import print_line
from orchestrator.grid.cell import CLEAN, Cell
from scc_core.attacks import Attack
from scc_core.components.component import Component
from scc_core.components.parameters import written_radius
from scc_core.components.units import (
    RADIUS,
    beyond,
    lengths_of,
    norm_of,
    radius_is_large,
    steps_beyond_the_ball,
    steps_of,
)


def print_lengths(cells: Iterable[Cell], console: Console) -> None:
    """Print the radius and the steps of every attack and defense that has any, and what is unusual about them."""
    cells = list(cells)
    radii = _radii(cells)
    table = Table(Column("attack or defense", overflow="fold"), "radius", "steps and noise")
    for attack, epsilons in radii.items():
        norm = norm_of(attack) or "linf"
        label = CLEAN if attack is None else attack.label
        table.add_row(escape(label), _joined(epsilons, norm), _steps(attack, epsilons, norm))
    defenses = {cell.defense: cell.defense.build() for cell in cells}
    for defense, built in defenses.items():
        lengths = lengths_of(built)
        if lengths:
            radius = [lengths.pop(RADIUS)] if RADIUS in lengths else []
            texts = [f"{name} {written_radius(length, 'linf')}" for name, length in lengths.items()]
            table.add_row(escape(defense.label), _joined(radius, "linf"), ", ".join(texts))
    console.print(table)
    for line in _doubts(radii):
        print_line(console, line)
    for defense, built in defenses.items():
        if steps_beyond_the_ball(None, 0.0, built):
            print_line(console, f"{defense.label}: a step is above twice the radius, so that every step is cut off")
        if radius_is_large(None, 0.0, built):
            print_line(console, f"{defense.label}: its radius is above 64/255")


def _radii(cells: Iterable[Cell]) -> Mapping[Component[Attack] | None, list[float]]:
    """Return the radii of every attack by its label, in [0, 1] pixel units; clean images, which have none, first."""
    radii: dict[Component[Attack] | None, set[float]] = {}
    for cell in cells:
        radii.setdefault(cell.threat.attack, set()).add(cell.threat.epsilon)
    by_label = sorted(radii, key=lambda attack: "" if attack is None else attack.label)
    return {attack: sorted(radii[attack]) for attack in by_label}


def _joined(lengths: Iterable[float], norm: str) -> str:
    return ", ".join(written_radius(length, norm) for length in lengths)


def _steps(attack: Component[Attack] | None, epsilons: Iterable[float], norm: str) -> str:
    """Name the steps of an attack; a step that is a multiple of the radius has a length for each."""
    found: dict[str, dict[float, None]] = {}
    for epsilon in epsilons:
        for name, step in () if attack is None else steps_of(attack.build(), epsilon).items():
            found.setdefault(name, {})[step] = None
    return "; ".join(f"{name} {_joined(steps, norm)}" for name, steps in found.items())


def _doubts(radii: Mapping[Component[Attack] | None, list[float]]) -> Iterator[str]:
    """Say of attacks what a badge would say of their results, and which of them cannot leave the image far enough."""
    for attack, epsilons in radii.items():
        if attack is None:
            continue
        built, norm = attack.build(), norm_of(attack) or "linf"
        num_steps = getattr(built, "num_steps", None)
        for epsilon in epsilons:
            radius = written_radius(epsilon, norm)
            if radius_is_large(built, epsilon, None):
                yield f"{attack.label}: the radius {radius} is above 64/255"
            for name, step in steps_of(built, epsilon).items():
                length = written_radius(step, norm)
                if beyond(step, epsilon):
                    yield f"{attack.label}: {name} {length} is above twice the radius {radius}: every step is cut off"
                elif num_steps and num_steps * step < epsilon:
                    reach = written_radius(num_steps * step, norm)
                    yield f"{attack.label}: {num_steps} steps of {length} reach {reach}, less than the radius {radius}"
