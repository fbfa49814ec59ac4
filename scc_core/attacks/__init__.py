"""Attacks: ``(model, pixels, labels, epsilon, noise) -> adversarial images and their cost``."""

from scc_core.attacks.base import Attack, AttackResult
from scc_core.attacks.pgd import PGD
from scc_core.attacks.registry import attacks

__all__ = ["PGD", "Attack", "AttackResult", "attacks"]
