"""What a plan comes to: images, attack steps, and passes through each model, as the components declare them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from orchestrator.grid.cell import Cell
from orchestrator.plan.plan import Plan
from scc_core.attacks import Attack
from scc_core.blocks import BlockRanges, num_samples
from scc_core.components.component import Component
from scc_core.cost import Cost
from scc_core.defenses import Defense
from scc_core.identity import DatasetSpec


class Passes(NamedTuple):
    """Images times passes through an image tower."""

    forwards: float = 0.0
    backwards: float = 0.0

    def times(self, factor: float) -> Passes:
        """Return ``factor`` as many."""
        return Passes(self.forwards * factor, self.backwards * factor)


@dataclass(frozen=True)
class Effort:
    """What is left of a plan to do.

    Attributes:
        images: to be measured, each counted once per dataset, however many cells see it.
        attack_steps: gradients of the attacks, one image each.
        passes: of attacks and defenses together, by model.
    """

    images: int
    attack_steps: float
    passes: Mapping[str, Passes]

    @property
    def total(self) -> Passes:
        """The passes through all models."""
        return _sum(self.passes.values())


def effort(plan: Plan) -> Effort:
    """Count what is missing of a plan; an attack counts once for all cells that share its images."""
    blocks: dict[DatasetSpec, list[range]] = {}
    passes: dict[str, list[Passes]] = {}
    steps = 0.0
    for span in plan.spans:
        first = span.cells[0]
        steps += span.samples * _attack_cost(first).backwards
        per_image = [_attack_passes(first), *(_passes(_defense_cost(cell)) for cell in span.cells)]
        passes.setdefault(first.model.name, []).extend(one.times(span.samples) for one in per_image)
        blocks.setdefault(first.dataset, []).append(span.blocks)
    images = sum(_images(dataset, ranges) for dataset, ranges in blocks.items())
    return Effort(images, steps, {model: _sum(parts) for model, parts in passes.items()})


def _images(dataset: DatasetSpec, blocks: Iterable[range]) -> int:
    parts = BlockRanges.of(*blocks).ranges
    return sum(num_samples(part, dataset.size) for part in parts)


def _attack_passes(cell: Cell) -> Passes:
    """Return the attack's passes per image; of an adaptive one every forward runs the defense, once for each draw."""
    own = _passes(_attack_cost(cell))
    if cell.threat.adaptive is None:
        return own
    defense = _passes(_defense_cost(cell))
    through = Passes(own.forwards * defense.forwards, own.backwards + own.forwards * defense.backwards)
    return through.times(cell.threat.adaptive.eot_draws)


def _attack_cost(cell: Cell) -> Cost:
    attack = cell.threat.attack
    return Cost() if attack is None else _nominal_attack_cost(attack, cell.dataset.classes)


def _defense_cost(cell: Cell) -> Cost:
    return _nominal_defense_cost(cell.defense)


# A grid asks for the cost of a few components a great many times.
@lru_cache(maxsize=1024)
def _nominal_attack_cost(attack: Component[Attack], classes: int) -> Cost:
    return attack.build().nominal_cost(classes)


@lru_cache(maxsize=1024)
def _nominal_defense_cost(defense: Component[Defense]) -> Cost:
    return defense.build().nominal_cost()


def _passes(cost: Cost) -> Passes:
    return Passes(cost.forwards, cost.backwards)


def _sum(parts: Iterable[Passes]) -> Passes:
    forwards, backwards = zip(*parts, strict=True)
    return Passes(sum(forwards), sum(backwards))
