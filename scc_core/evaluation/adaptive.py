"""The adaptive threat model: a defended classifier that any attack runs against unchanged.

BPDA and EOT are those of Athalye, Carlini and Wagner, "Obfuscated gradients give a false sense of security", ICML 2018,
arXiv 1802.00420, sections 4.1 and 4.2; what an adaptive attack must do is that of Tramer et al., "On adaptive attacks",
NeurIPS 2020, arXiv 2002.08347.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import replace

import torch
from torch import Tensor

from scc_core.defenses.base import Defense, Gradients
from scc_core.errors import ComponentError, UserError, unknown_name
from scc_core.evaluation.threat import STRONGEST, Adaptive
from scc_core.models.base import Meter, ZeroShotModel
from scc_core.noise import Noise

STRONGEST_FIRST: tuple[Gradients, ...] = ("unrolled", "bpda")
"""The ways through a defense, by strength."""

_SAMPLE_BITS = 32


class DefendedClassifier:
    """A model behind a defense, as the attacker who knows the defense sees it: logits, with gradients.

    ``unrolled`` differentiates through all of the defense. ``bpda`` runs all of it forward and passes the gradient
    through :meth:`Defense.correct` as if that were the identity, while :meth:`Defense.classify` is differentiated.

    The logits are the mean of the logits (not of probabilities) over ``eot_draws`` draws of the defense's noise. They
    are fresh on every call, because an attack that meets the same few draws at every step fits those draws. A draw is
    a function of the noise, the sample and how often the classifier was asked about that sample before, and so depends
    neither on the batch nor on which other images an attack still works on. A defense without randomness is drawn
    once. The draws are not those of the defense under evaluation, which no attacker knows.

    The classifier is bound to the images of its batch, and to one attack on them. An attack that has finished some of
    them calls the classifier of :meth:`among` instead, through :func:`scc_core.attacks.base.asked_about`, or of
    :meth:`select`, through :func:`~scc_core.attacks.base.rows_of`, if it leaves them out.

    Args:
        model: the classifier that is defended; the defense's own passes count on its meter.
        defense: the defense under attack.
        noise: the attacker's noise, with the sample ids of the batch, which lie below 2^32.
        adaptive: the way through the defense, and the draws per call, 1 or more; memory grows with them.

    Raises:
        UserError: the defense does not declare such gradients.
    """

    def __init__(self, model: ZeroShotModel, defense: Defense, noise: Noise, adaptive: Adaptive = STRONGEST) -> None:
        self.model = model
        self.defense = defense
        self.noise = noise
        self.gradients = choose_gradients(defense, adaptive.gradients)
        self.eot_draws = adaptive.eot_draws if defense.randomised else 1
        self._calls = torch.zeros_like(noise.sample_ids)
        self._rows = torch.arange(len(noise.sample_ids), device=noise.sample_ids.device)
        self._asked = torch.ones_like(self._rows, dtype=torch.bool)

    @property
    def meter(self) -> Meter:
        """The counter of the model's forwards and backwards, those of the defense included."""
        return self.model.meter

    @property
    def num_classes(self) -> int:
        """Number of classes ``K``."""
        return self.model.num_classes

    def select(self, rows: Tensor) -> DefendedClassifier:
        """Return the classifier of the chosen rows of the batch; ``rows`` is a mask or indices."""
        chosen = copy(self)
        chosen.noise = self.noise.select(rows)
        chosen._rows = self._rows[rows]
        chosen._asked = self._asked[rows]
        return chosen

    def among(self, rows: Tensor) -> DefendedClassifier:
        """Return the same classifier, asked about the images of the mask ``rows`` alone: others take no draw."""
        chosen = copy(self)
        chosen._asked = self._asked & rows
        return chosen

    def __call__(self, pixels: Tensor) -> Tensor:
        """Return ``(B, K)`` mean logits of ``(B, 3, H, W)`` pixels in [0, 1], one image per sample id.

        Raises:
            ComponentError: another number of images than sample ids.
        """
        return self._mean(
            lambda noise: self.defense.classify(self.model, self._corrected(pixels, noise), noise), pixels
        )

    def features(self, pixels: Tensor) -> Tensor:
        """Return ``(B, D)`` mean embeddings of the corrected images, for attacks on the embedding."""
        return self._mean(lambda noise: self.model.features(self._corrected(pixels, noise)), pixels)

    def _mean(self, draw: Callable[[Noise], Tensor], pixels: Tensor) -> Tensor:
        if len(pixels) != len(self._rows):
            raise ComponentError(
                f"a classifier bound to {len(self._rows)} images was called with {len(pixels)}; "
                "an attack that continues on some of its images must call rows_of(model, rows)"
            )
        # The number of calls on a sample stands above the bits of its id.
        calls = self._calls[self._rows]
        self._calls[self._rows] = calls + self._asked
        noise = replace(self.noise, sample_ids=self.noise.sample_ids + (calls << _SAMPLE_BITS))
        return torch.stack([draw(noise.fold(f"eot-{number}")) for number in range(self.eot_draws)]).mean(dim=0)

    def _corrected(self, pixels: Tensor, noise: Noise) -> Tensor:
        # Copies: a defense may work in place, and the attack goes on from its images.
        if self.gradients == "unrolled":
            return self.defense.correct(self.model, pixels.clone(), noise)
        with torch.no_grad():
            corrected = self.defense.correct(self.model, pixels.detach().clone(), noise)
        # The difference is exactly zero and has the gradient of the identity.
        return corrected + (pixels - pixels.detach())


def choose_gradients(defense: Defense, wanted: Gradients | None) -> Gradients:
    """Return the gradients to attack a defense with: ``wanted``, or the strongest that it declares if that is None.

    Raises:
        UserError: the defense does not declare them.
    """
    declared = [way for way in STRONGEST_FIRST if way in defense.gradients]
    name = type(defense).__name__
    if not declared:
        raise UserError(f"defense {name} declares no gradients for an adaptive attacker; use threat model transfer")
    if wanted is None:
        return declared[0]
    if wanted not in declared:
        raise unknown_name(f"gradients of defense {name}:", wanted, declared)
    return wanted
