"""Test-time defenses: ``(model, pixels, noise) -> logits``, never a label."""

from scc_core.defenses.agc import AGC
from scc_core.defenses.anti_adversary import AntiAdversary
from scc_core.defenses.base import Defense, DefenseCost
from scc_core.defenses.clipure import CLIPureCos
from scc_core.defenses.controls import Flip, NoDefense, RandomNoise, Shift
from scc_core.defenses.csr import CSR
from scc_core.defenses.doc import DOC
from scc_core.defenses.hedge import Hedge
from scc_core.defenses.jpeg import Jpeg
from scc_core.defenses.low_pass import LowPass
from scc_core.defenses.mac import MAC
from scc_core.defenses.r_tpt import RTPT
from scc_core.defenses.registry import defenses
from scc_core.defenses.scc import SCC
from scc_core.defenses.ttc import TTC
from scc_core.defenses.tte import TTE
from scc_core.defenses.views import ViewAverage

__all__ = [
    "AGC",
    "CSR",
    "DOC",
    "MAC",
    "RTPT",
    "SCC",
    "TTC",
    "TTE",
    "AntiAdversary",
    "CLIPureCos",
    "Defense",
    "DefenseCost",
    "Flip",
    "Hedge",
    "Jpeg",
    "LowPass",
    "NoDefense",
    "RandomNoise",
    "Shift",
    "ViewAverage",
    "defenses",
]
