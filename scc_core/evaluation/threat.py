"""What is done to the images before a defense sees them; importing this loads no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from scc_core.components.component import Component
from scc_core.components.parameters import whole_number

if TYPE_CHECKING:
    from scc_core.attacks.base import Attack
    from scc_core.defenses.base import Gradients


@dataclass(frozen=True)
class Adaptive:
    """How an attacker who knows the defense differentiates through it.

    Attributes:
        gradients: ``bpda``, ``unrolled``, or None for the strongest that the defense declares.
        eot_draws: draws of the defense's randomness whose mean is attacked, per step.
        label: short text for people: what a user asked for that differs from the defaults; it does not count in
            comparisons.
        version: of the numerics of this threat model, raised by every change that moves a prediction or a margin.

    Raises:
        UserError: ``eot_draws`` is no whole number, or below 1.
    """

    gradients: Gradients | None = None
    eot_draws: int = 1
    label: str = field(default="", compare=False)

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "eot_draws", whole_number("eot_draws", self.eot_draws, minimum=1))

    def specification(self) -> dict[str, object]:
        """Return what enters a cell's key."""
        numerics = {"numerics": self.version} if self.version > 1 else {}
        return {"gradients": self.gradients, "eot_draws": self.eot_draws, **numerics}


STRONGEST = Adaptive()
"""One draw through the strongest gradients that the defense declares."""


@dataclass(frozen=True)
class Threat:
    """An attack, how strong it is and what it knows; the same value from the grid to the worker.

    Attributes:
        attack: None for clean images.
        epsilon: radius in [0, 1] pixel units, in the norm of the attack.
        adaptive: None for threat model ``transfer``, where the attack sees the undefended model only; otherwise how
            it passes through the one defense that it is made for.
        seed: of all randomness, that of the defense included.
    """

    attack: Component[Attack] | None
    epsilon: float
    adaptive: Adaptive | None = None
    seed: int = 0

    @property
    def epsilon_255(self) -> float:
        """The radius in units of 1/255, rounded to four decimals."""
        return round(self.epsilon * 255, 4)

    @property
    def label(self) -> str:
        """Short text for people: the attack with what a user chose of it, ``none`` for clean images."""
        if self.attack is None:
            return "none"
        if self.adaptive is None or not self.adaptive.label:
            return self.attack.label
        return f"{self.attack.label} [{self.adaptive.label}]"
