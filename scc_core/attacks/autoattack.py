"""AutoAttack (Croce and Hein, ICML 2020, arXiv 2003.01690): several attacks in turn, in the papers' compositions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import ClassVar

from torch import Tensor

from scc_core.attacks.apgd import APGD
from scc_core.attacks.base import Attack
from scc_core.attacks.fab import FABT
from scc_core.attacks.optimisation.survivors import in_turn
from scc_core.attacks.problem import Problem
from scc_core.attacks.registry import attacks
from scc_core.attacks.square import Square
from scc_core.components.parameters import parameter
from scc_core.cost import Cost
from scc_core.errors import UserError, unknown_name
from scc_core.models.base import Classifier
from scc_core.noise import Noise

COMPOSITIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ttc": ("apgd-ce", "apgd-dlr"),
        "robustvlm": ("apgd-ce", "apgd-t"),
        "standard": ("apgd-ce", "apgd-t", "fab-t", "square"),
    }
)
"""The attacks that papers call AutoAttack: TTC (arXiv 2503.03613), RobustVLM (arXiv 2402.12336), RobustBench."""

PARTS = ("apgd-ce", "apgd-dlr", "apgd-t", "fab-t", "square")
"""The attacks that a composition may contain."""

_SEPARATOR = "+"


@attacks.register("autoattack")
@dataclass(frozen=True)
class AutoAttack(Attack):
    """Run attacks in turn, each on the images that are still classified correctly.

    ``ttc`` is APGD-CE and APGD-DLR, for two classes APGD-CE alone; ``robustvlm`` is APGD-CE and APGD-T; ``standard``
    is RobustBench's APGD-CE, APGD-T (9 targets), FAB-T (9) and Square (5000 queries). Anything else is a list such as
    ``apgd-ce+square``. A part that the number of classes does not allow is dropped: DLR needs three, its targeted form
    four. :meth:`composition` says what is left.

    Notes:
        An image that is misclassified when clean is left as it is, as in the published code. An image that survives
        every part keeps the result of the smallest margin, where the published code returns it clean; robust accuracy
        is the same and no defense is flattered. In the published library ``custom`` lists keep five restarts of
        APGD-CE unless told otherwise; here ``num_restarts`` is 1, the value of its ``standard`` version.
    """

    name: ClassVar[str] = "autoattack"

    attacks: str = parameter(
        "standard", help=f"{' | '.join(COMPOSITIONS)}, or some of {', '.join(PARTS)} joined by {_SEPARATOR}"
    )
    num_steps: int = parameter(100, minimum=1, maximum=100_000, help="steps of APGD and FAB-T")
    num_targets: int = parameter(9, minimum=1, maximum=10_000, help="targets of APGD-T and FAB-T, at most K - 1")
    num_queries: int = parameter(5000, minimum=1, maximum=10_000_000, help="forwards per image of Square")
    num_restarts: int = parameter(1, minimum=1, maximum=10_000, help="random starts of APGD-CE and APGD-DLR")

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "attacks", _canonical(self.attacks))

    def perturb(self, model: Classifier, pixels: Tensor, labels: Tensor, epsilon: float, noise: Noise) -> Tensor:
        """Return, per image, the result of the first part that breaks it; see :meth:`Attack.perturb`."""
        parts = self._running(model.num_classes)
        problem = Problem(self.name, model, pixels, labels, epsilon, noise)
        return in_turn(problem, [partial(_run, name=name, attack=attack) for name, attack in parts.items()])

    def _running(self, num_classes: int) -> dict[str, Attack]:
        """Return the parts that can run against ``num_classes`` classes, by name and in order."""
        steps, targets, restarts = self.num_steps, self.num_targets, self.num_restarts
        known: dict[str, Attack] = {
            "apgd-ce": APGD(loss="ce", num_steps=steps, num_restarts=restarts),
            "apgd-dlr": APGD(loss="dlr", num_steps=steps, num_restarts=restarts),
            "apgd-t": APGD(loss="dlr-targeted", num_steps=steps, num_targets=targets),
            "fab-t": FABT(num_steps=steps, num_targets=targets),
            "square": Square(num_queries=self.num_queries, rescale_schedule=False),
        }
        listed = COMPOSITIONS.get(self.attacks) or self.attacks.split(_SEPARATOR)
        return {name: known[name] for name in listed if _can_run(known[name], num_classes)}

    def check(self, num_classes: int) -> None:
        """Check that at least one part can run; see :meth:`Attack.check`."""
        if not self._running(num_classes):
            raise UserError(f"attack {self.name}: none of {self.attacks} can run on a dataset of {num_classes} classes")

    def composition(self, num_classes: int) -> tuple[str, ...]:
        """Return the parts that run, in order, with the number of targets where the classes allow fewer."""
        return tuple(name for part in self._running(num_classes).values() for name in part.composition(num_classes))

    def nominal_cost(self, num_classes: int) -> Cost:
        """Return the passes of every part, assuming that the image survives them all: an upper bound."""
        costs = [part.nominal_cost(num_classes) + Cost(forwards=1) for part in self._running(num_classes).values()]
        return sum(costs, start=Cost(forwards=1))


def _run(problem: Problem, name: str, attack: Attack) -> Tensor:
    return attack.perturb(problem.model, problem.pixels, problem.labels, problem.epsilon, problem.noise.fold(name))


def _can_run(attack: Attack, num_classes: int) -> bool:
    try:
        attack.check(num_classes)
    except UserError:
        return False
    return True


def _canonical(given: str) -> str:
    """Return the name of a composition, or the list without blanks and under its name if it has one.

    Raises:
        UserError: an unknown or repeated part.
    """
    listed = tuple(part.strip() for part in given.split(_SEPARATOR))
    if listed[0] in COMPOSITIONS and len(listed) == 1:
        return listed[0]
    for part in listed:
        if part not in PARTS:
            raise unknown_name("part of attacks:", part, (*COMPOSITIONS, *PARTS))
    if len(set(listed)) < len(listed):
        raise UserError(f"attacks: {given!r} names a part twice")
    named = {parts: name for name, parts in COMPOSITIONS.items()}
    return named.get(listed, _SEPARATOR.join(listed))
