"""What a cell costs per image: the only place that prices the work of a plan.

Prices are those that attacks and defenses declare (``nominal_cost``). They assume an image that survives its attack and
that no gate spares, and so are upper bounds. Passes are those of the image tower unless they are said to be texts'.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from orchestrator.grid.cell import Cell
from scc_core.attacks import Attack
from scc_core.components.component import Component
from scc_core.cost import Cost
from scc_core.defenses import Defense
from scc_core.defenses.base import DefenseCost
from scc_core.errors import UserError
from scc_core.evaluation.adaptive import choose_gradients
from scc_core.evaluation.threat import Adaptive

CostT = TypeVar("CostT", Cost, DefenseCost)


class CellCost(NamedTuple):
    """What one image costs a cell.

    Attributes:
        attack: passes that make the adversarial image, which all cells of an attack group share.
        defense: passes of the defended prediction.
        attack_steps: gradients that the attack follows; through a defense each of them is many passes.
    """

    attack: Cost
    defense: Cost
    attack_steps: int


def group_cost(cells: Sequence[Cell]) -> Cost:
    """Return what one image costs cells of one attack group: the attack once, and the defense of every cell."""
    return sum((cell_cost(cell).defense for cell in cells), cell_cost(cells[0]).attack)


def cell_cost(cell: Cell) -> CellCost:
    """Return what one image costs a cell; clean images cost no attack."""
    return _cell_cost(cell.threat.attack, cell.threat.adaptive, cell.defense, cell.dataset.classes)


# A grid asks for the cost of a few combinations a great many times.
@lru_cache(maxsize=4096)
def _cell_cost(
    attack: Component[Attack] | None, adaptive: Adaptive | None, defense: Component[Defense], classes: int
) -> CellCost:
    predicted = _declared(defense, DefenseCost, classes).total
    if attack is None:
        return CellCost(Cost(), predicted, 0)
    undefended = _declared(attack, Cost, classes)
    made = undefended if adaptive is None else adaptive_attack_cost(attack.build(), defense.build(), adaptive, classes)
    return CellCost(made, predicted, undefended.backwards)


def _declared(component: Component[Any], expected: type[CostT], classes: int) -> CostT:
    """Return the nominal cost of an attack or a defense, which may be a user's own and declare nonsense."""
    whose = f"{component.kind} {component.name!r}: nominal_cost"
    built = component.build()
    try:
        declared = built.nominal_cost(classes)
    except Exception as error:
        raise UserError(f"{whose} is called with the number of classes, and raised {error!r}") from error
    if not isinstance(declared, expected):
        raise UserError(f"{whose} returned {declared!r}, expected a scc_core.{expected.__name__}")
    return declared


def adaptive_attack_cost(attack: Attack, defense: Defense, adaptive: Adaptive, classes: int) -> Cost:
    """Return what an adversarial image costs that is made through a defense.

    Every forward of the attack runs the whole defense, and every gradient of the attack passes back through what
    ``adaptive.gradients`` differentiates, once for each draw. An attack on the embedding embeds the corrected image
    once where the defense would classify it.
    """
    asked, embeddings, logits = attack.nominal_cost(classes), attack.embedding_forwards(), defense.nominal_cost(classes)
    embedding = logits._replace(classify=Cost(forwards=1), differentiated=None)
    passes = logits.total.times(asked.forwards - embeddings) + embedding.total.times(embeddings)
    differentiated = embedding if embeddings else logits
    passes += differentiated.gradient(choose_gradients(defense, adaptive.gradients)).times(asked.backwards)
    return passes.times(adaptive.eot_draws if defense.randomised else 1)
