"""Test-time defenses: ``(model, pixels, noise) -> logits``, never a label."""

from scc_core.defenses.base import Defense
from scc_core.defenses.controls import Flip, NoDefense, RandomNoise, Shift
from scc_core.defenses.registry import defenses
from scc_core.defenses.scc import SCC
from scc_core.defenses.ttc import TTC

__all__ = ["SCC", "TTC", "Defense", "Flip", "NoDefense", "RandomNoise", "Shift", "defenses"]
