"""What the rules of badges look at: a cell with its outcomes, and its comparison with another on the same samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.grid.cell import ADAPTIVE
from orchestrator.store import Hits, StoredCell, on_common_samples
from scc_core.evaluation.metrics import mcnemar

if TYPE_CHECKING:
    from scc_core.attacks import Attack

STRONG_GRADIENTS = 10
"""Gradients per image that make an attack strong: those of the published tables' PGD."""

SIGNIFICANCE = 0.01
"""Level of the two-sided tests. A grid makes hundreds of comparisons. Where there is no difference, one comparison in
two hundred gives a badge by chance. At least eight samples must change, all in one direction."""


class BesideNone(NamedTuple):
    """A defense beside ``none`` on the same images.

    Attributes:
        samples: number of samples that both have measured.
        wrong: number of them that ``none`` has wrong.
        same_predictions: whether both predict the same class on every one.
        same_logits: whether even margins and confidences are the same, bit for bit.
    """

    samples: int
    wrong: int
    same_predictions: bool
    same_logits: bool


@dataclass(frozen=True)
class Case:
    """A cell with what the rules look at.

    Attributes:
        cell: the cell.
        hits: which of its samples are right.
        attack: None for clean images.
        randomised: whether another draw of the defense may give another prediction.
        draws: number of seeds with which the cell is measured.
        beside_none: the defense beside ``none`` on the same images; None where that is not measured.
    """

    cell: StoredCell
    hits: Hits
    attack: Attack | None
    randomised: bool
    draws: int
    beside_none: BesideNone | None = None

    @property
    def norm(self) -> str | None:
        """Norm of the attack; None for clean images."""
        return None if self.attack is None else self.attack.norm

    @property
    def parts(self) -> tuple[str, ...]:
        """What the attack consists of against the dataset's number of classes; empty for clean images."""
        return () if self.attack is None else self.attack.composition(self.cell.classes)

    @property
    def faces_its_target(self) -> bool:
        """Whether the attack was made on the classifier that is evaluated."""
        return self.cell.undefended or self.cell.threat_model == ADAPTIVE

    @property
    def white_box(self) -> bool:
        """Whether the attack computed gradients of the classifier that it attacks, not of another model."""
        own = self.attack is not None and not self.attack.named_models()
        return own and self.cell.zero_gradients is not None

    @property
    def black_box(self) -> bool:
        """Whether the attack computed no gradients of any model."""
        own = self.attack is not None and not self.attack.named_models()
        return own and self.cell.zero_gradients is None

    @property
    def strong(self) -> bool:
        """Whether the attack is white-box and takes at least :data:`STRONG_GRADIENTS` gradients per image."""
        if self.attack is None or not self.white_box:
            return False
        return self.attack.nominal_cost(self.cell.classes).backwards >= STRONG_GRADIENTS

    def beats(self, other: Case) -> bool:
        """Tell whether this case has significantly more of the samples right that both have measured."""
        pair = on_common_samples([self.hits, other.hits])
        return mcnemar(*pair).first_is_better(SIGNIFICANCE)


Rule = Callable[[Case, Sequence[Case]], bool]
"""Decides for a case among the cases of the same model, samples, defense and seed."""
