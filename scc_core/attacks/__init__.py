"""Attacks: ``(model, pixels, labels, epsilon, noise) -> adversarial images and their cost``."""

from scc_core.attacks.apgd import APGD
from scc_core.attacks.autoattack import AutoAttack
from scc_core.attacks.base import Attack, AttackResult
from scc_core.attacks.fab import FABT
from scc_core.attacks.fgsm import FGSM
from scc_core.attacks.pgd import PGD, CWLinf
from scc_core.attacks.registry import attacks
from scc_core.attacks.square import Square
from scc_core.attacks.surrogate import Surrogate
from scc_core.attacks.view_eot import ViewEOT

__all__ = [
    "APGD",
    "FABT",
    "FGSM",
    "PGD",
    "Attack",
    "AttackResult",
    "AutoAttack",
    "CWLinf",
    "Square",
    "Surrogate",
    "ViewEOT",
    "attacks",
]
