"""Which of two attacks is the stronger by design, and the badges of attacks that do not keep to it.

Two attacks are compared where both were made on the classifier that is evaluated, in the same way, with the same norm
and radius. Which images happen to transfer to a defense says nothing about the strength of an attack.
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.results.badges.case import Case
from orchestrator.store import on_common_samples

FAR = 0.1
"""From this difference of accuracies on, PGD is far above APGD. PGD of few steps is a few points above it."""

PGDS = ("pgd", "cw-linf")
APGDS = ("apgd-ce", "apgd-dlr")
"""The parts of APGD that choose no target."""

EFFORT = ("num_steps", "num_restarts", "num_targets", "num_queries")
"""The parameters of which more makes an attack stronger, all others being equal."""


def stronger_is_weaker(case: Case, others: Sequence[Case]) -> bool:
    """Tell whether a stronger attack than another leaves significantly more samples right than that one.

    The stronger attack does not do what its name says: its steps are too short to arrive or too long to settle, its
    gradients are wrong, or its restarts are lost.
    """
    rivals = (other for other in others if _same_target(case, other) and _stronger(case, other))
    return any(case.beats(rival) for rival in rivals)


def pgd_far_above_apgd(case: Case, others: Sequence[Case]) -> bool:
    """Tell whether PGD leaves far more samples right than APGD does: PGD is then too weak to tell of robustness."""
    if _kind(case) not in PGDS:
        return False
    rivals = (other for other in others if _same_target(case, other) and _has_apgd(other))
    return any(case.beats(rival) and _above(case, rival) >= FAR for rival in rivals)


def _same_target(case: Case, other: Case) -> bool:
    """Tell whether two attacks of a group were made on the evaluated classifier under the same conditions."""
    if case.attack is None or other.attack is None or case.attack.named_models() or other.attack.named_models():
        return False
    conditions = ("epsilon_255", "threat_model")
    specifications = (case.cell.specification, other.cell.specification)
    alike = all(specifications[0][name] == specifications[1][name] for name in conditions)
    return alike and case.faces_its_target and case.norm == other.norm


def _stronger(case: Case, other: Case) -> bool:
    """Tell whether the attack of ``case`` is the other one with more effort, or of a stronger kind with no less."""
    if _kind(case) == _kind(other):
        return _more_effort(case, other)
    return _rank(case) > _rank(other) > 0 and _gradients(case) >= _gradients(other)


def _more_effort(case: Case, other: Case) -> bool:
    """Tell whether some efforts are larger, none is smaller, and every other parameter is the same."""
    mine, theirs = (one.cell.attack_component["parameters"] for one in (case, other))
    changed = {name for name in {*mine, *theirs} if mine.get(name) != theirs.get(name)}
    comparable = changed <= set(EFFORT) and all(name in mine and name in theirs for name in changed)
    return bool(changed) and comparable and all(mine[name] > theirs[name] for name in changed)


def _rank(case: Case) -> int:
    """Return the place of an attack's kind among those that can be ordered, from 1 for the weakest; 0 for others."""
    parameters = case.cell.attack_component["parameters"]
    if _kind(case) == "fgsm":
        return 1
    if _kind(case) in PGDS and not parameters.get("targeted") and parameters.get("loss") != "embedding":
        return 2
    return 3 if _has_apgd(case) else 0


def _has_apgd(case: Case) -> bool:
    """Tell whether the attack is APGD without a target, or has it as a part."""
    return _kind(case) in ("apgd", "autoattack") and not set(APGDS).isdisjoint(case.parts)


def _kind(case: Case) -> str:
    return str(case.cell.attack_component["name"])


def _gradients(case: Case) -> int:
    return 0 if case.attack is None else case.attack.nominal_cost(case.cell.classes).backwards


def _above(case: Case, other: Case) -> float:
    mine, theirs = on_common_samples([case.hits, other.hits])
    return float(mine.mean() - theirs.mean())
