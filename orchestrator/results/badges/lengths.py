"""Badges of lengths that probably had another unit: a number that a paper writes for so many 255ths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from orchestrator.results.badges.case import Case
from scc_core.components.component import Component
from scc_core.components.units import radius_is_large, steps_beyond_the_ball
from scc_core.errors import UserError

if TYPE_CHECKING:
    from scc_core.defenses import Defense


def step_beyond_the_ball(case: Case, _others: Sequence[Case]) -> bool:
    """Tell whether a step of the attack, or of the defense in a ball of its own, is above twice the radius.

    Every such step is cut off at the ball's surface: the number is that of another method than its name says. It may
    be meant; today it has to be written as a fraction of 255 then.
    """
    return steps_beyond_the_ball(case.attack, case.cell.epsilon, _defense(case))


def radius_above_64_255(case: Case, _others: Sequence[Case]) -> bool:
    """Tell whether the L-inf radius of the attack, or of the defense's own ball, is above 64/255.

    Papers write 1 for 1/255. An image that may change by more than a quarter of the range need not show its class.
    """
    return radius_is_large(case.attack, case.cell.epsilon, _defense(case))


def _defense(case: Case) -> Defense | None:
    """Return the defense of a case; None if it cannot be loaded here."""
    name, parameters = case.cell.defense_component["name"], case.cell.defense_component["parameters"]
    defense: Component[Defense] = Component("defense", name, parameters)
    try:
        return defense.build()
    except UserError:
        return None
