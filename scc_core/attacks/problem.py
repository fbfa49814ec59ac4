"""The problem that an attack solves: images and labels, the classifier, the budget and the noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from scc_core.attacks.base import asked_about
from scc_core.errors import ComponentError
from scc_core.models.base import Classifier
from scc_core.noise import Noise


class Point(NamedTuple):
    """A loss and its gradient at some images.

    Attributes:
        outputs: ``(B, N)`` outputs of the classifier, detached.
        loss: ``(B,)`` detached.
        gradient: ``(B, 3, H, W)`` of the loss in the images.
    """

    outputs: Tensor
    loss: Tensor
    gradient: Tensor


@dataclass(frozen=True)
class Problem:
    """The images that an attack works on, with their labels, classifier, budget and noise.

    Attacks call the classifier through these methods, which report a value that is not finite with the attack, the
    sample and the step.

    All images of a batch are computed together to the end, so that what a processor rounds by the size of a batch is
    the same whatever becomes of the other images. An attack that has finished some of them goes on with :meth:`among`
    the others: the finished ones are computed still, and what comes of it is ignored.

    Attributes:
        attack: the attack's name.
        model: the classifier.
        pixels: ``(B, 3, H, W)`` the clean images in [0, 1].
        labels: ``(B,)`` int64 true classes.
        epsilon: radius in [0, 1] pixel units.
        noise: the source of all randomness.
        active: ``(B,)`` bool, the images that the attack is still concerned with; None for all.
    """

    attack: str
    model: Classifier
    pixels: Tensor
    labels: Tensor
    epsilon: float
    noise: Noise
    active: Tensor | None = None

    def among(self, rows: Tensor) -> Problem:
        """Return the same problem, of which only the images of the mask ``rows`` ``(B,)`` still matter."""
        rows = rows if self.active is None else self.active & rows
        return replace(self, model=asked_about(self.model, rows), active=rows)

    def fold(self, name: str) -> Problem:
        """Return the same problem with independent noise for the use called ``name``."""
        return replace(self, noise=self.noise.fold(name))

    @torch.no_grad()
    def logits(self, images: Tensor, step: str) -> Tensor:
        """Return the logits ``(B, K)`` of ``images``, without a gradient.

        Raises:
            ComponentError: one is not finite.
        """
        logits = self.model(images)
        self._require_finite(logits, "logit", step)
        return logits

    def ascend(
        self,
        loss: Callable[[Tensor], Tensor],
        images: Tensor,
        step: str,
        *,
        through: Callable[[Tensor], Tensor] | None = None,
    ) -> Point:
        """Return the loss at ``images`` and its gradient.

        Args:
            loss: ``(B,)`` of the outputs.
            images: ``(B, 3, H, W)`` in [0, 1].
            step: the step of the attack, for errors.
            through: computes the outputs from the images; None for the classifier's logits.

        Raises:
            ComponentError: the outputs have no gradient, or a loss or a gradient is not finite.
        """
        leaf = images.detach().requires_grad_(True)
        with torch.enable_grad():
            outputs = (through or self.model)(leaf)
            losses = loss(outputs)
            if not losses.requires_grad:
                raise ComponentError(f"attack {self.attack} needs gradients, and the model's output carries none")
            (gradient,) = torch.autograd.grad(losses.sum(), leaf)
        self._require_finite(losses, "loss", step)
        # The largest value is NaN or infinite whenever any value is, and only one number per image is checked.
        largest = gradient.abs().flatten(1).amax(dim=1)
        self._require_finite(largest, "gradient", step)
        matter = slice(None) if self.active is None else self.active
        self.model.meter.note_gradients(self.noise.sample_ids[matter], largest[matter])
        return Point(outputs.detach(), losses.detach(), gradient)

    def wrong_classes(self, rank: int) -> Tensor:
        """Return ``(B,)``, the ``rank``-th most likely wrong class (1 is the most likely) of the clean images."""
        logits = self.logits(self.pixels, "target choice").scatter(1, self.labels.unsqueeze(1), -torch.inf)
        return logits.argsort(dim=1, descending=True, stable=True)[:, rank - 1]

    def _require_finite(self, values: Tensor, what: str, step: str) -> None:
        broken = ~values.detach().reshape(len(values), -1).isfinite().all(dim=1)
        if self.active is not None:
            broken &= self.active
        if broken.any():
            sample = int(self.noise.sample_ids[int(broken.nonzero()[0])])
            raise ComponentError(f"attack {self.attack}: a {what} is not finite on sample {sample} at {step}")
