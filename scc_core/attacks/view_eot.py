"""PGD on the mean of two views: it knows no defense, and defeats those that only mirror or average views."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from scc_core.attacks.base import asked_about, rows_of
from scc_core.attacks.pgd import LABEL_LOSSES, PGD
from scc_core.attacks.registry import attacks
from scc_core.components.parameters import parameter
from scc_core.cost import Cost
from scc_core.models.base import Classifier, Meter
from scc_core.noise import Noise


@dataclass(frozen=True)
class MeanOfViews:
    """A classifier whose logits are the mean over the image and its mirror image."""

    model: Classifier

    @property
    def meter(self) -> Meter:
        """The counter of the wrapped classifier; every image counts twice."""
        return self.model.meter

    @property
    def num_classes(self) -> int:
        """Number of classes ``K``."""
        return self.model.num_classes

    def select(self, rows: Tensor) -> MeanOfViews:
        """Return the classifier of the chosen rows of the batch."""
        return MeanOfViews(rows_of(self.model, rows))

    def among(self, rows: Tensor) -> MeanOfViews:
        """Return the classifier that is asked about the images of the mask ``rows`` alone."""
        return MeanOfViews(asked_about(self.model, rows))

    def __call__(self, pixels: Tensor) -> Tensor:
        """Return ``(B, K)`` mean logits of ``(B, 3, H, W)`` pixels in [0, 1]."""
        # One call per view: a classifier that is bound to its batch accepts only images of this batch.
        return (self.model(pixels) + self.model(pixels.flip(-1))) / 2


@attacks.register("view-eot")
@dataclass(frozen=True)
class ViewEOT(PGD):
    """PGD on the mean logits of the image and its mirror image: a transfer attack that a flip does not undo.

    Expectation over transformation (Athalye et al., ICML 2018, arXiv 1707.07397, section 3.1) over the two views that
    test-time defenses average most often. It is told nothing of the defense. With restarts, success is judged on the
    mean logits too.
    """

    name: ClassVar[str] = "view-eot"

    loss: str = parameter("ce", choices=LABEL_LOSSES, help="what the steps ascend")

    def perturb(self, model: Classifier, pixels: Tensor, labels: Tensor, epsilon: float, noise: Noise) -> Tensor:
        """Return the last iterate; see :meth:`Attack.perturb`."""
        return super().perturb(MeanOfViews(model), pixels, labels, epsilon, noise)

    def nominal_cost(self, num_classes: int) -> Cost:
        """Return twice the passes of PGD."""
        cost = super().nominal_cost(num_classes)
        return cost + cost
