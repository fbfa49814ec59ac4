"""Adversarial images made on another model (Papernot et al., 2016, arXiv 1605.07277)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import torch
from torch import Tensor

from scc_core.attacks.pgd import PGD
from scc_core.attacks.registry import attacks
from scc_core.components.parameters import MODEL, parameter
from scc_core.errors import UserError
from scc_core.models import ZeroShotModel, get_model
from scc_core.models.base import Classifier
from scc_core.noise import Noise

_KEPT_SURROGATES = 4


@attacks.register("surrogate")
@dataclass(frozen=True)
class Surrogate(PGD):
    """PGD on another model with the victim's own prompts; the victim is only shown the result.

    It needs no gradient of the victim, and so tells a defense that hides its gradients from one that has become robust.
    Without ``source`` the victim is its own source, which is ``pgd``.

    Raises:
        UserError: no such model, or its images are not of the victim's size.
    """

    name: ClassVar[str] = "surrogate"

    source: str | None = parameter(None, unit=MODEL, help="model on which the images are made; the victim if left out")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.source is not None:
            get_model(self.source)

    def perturb(self, model: Classifier, pixels: Tensor, labels: Tensor, epsilon: float, noise: Noise) -> Tensor:
        """Return the last iterate on the source; see :meth:`Attack.perturb`."""
        return super().perturb(self._on_source(model), pixels, labels, epsilon, noise)

    def _on_source(self, victim: Classifier) -> Classifier:
        if self.source is None:
            return victim
        if not isinstance(victim, ZeroShotModel):
            raise UserError("attack surrogate knows no defense: use it with threat model transfer")
        prompts = tuple((name, tuple(texts)) for name, texts in victim.prompts.items())
        surrogate = _surrogate(self.source, victim.model.device, prompts, victim.precision)
        if surrogate.model.image_size != victim.model.image_size:
            raise UserError(
                f"attack surrogate: {self.source!r} takes images of {surrogate.model.image_size} pixels, but the "
                f"victim {victim.model.name!r} takes {victim.model.image_size}; choose a source of the same size"
            )
        # The passes of the source count as the victim's.
        surrogate.meter = victim.meter
        return surrogate


@lru_cache(maxsize=_KEPT_SURROGATES)
def _surrogate(
    source: str, device: torch.device, prompts: tuple[tuple[str, tuple[str, ...]], ...], precision: str
) -> ZeroShotModel:
    return ZeroShotModel(get_model(source).load(device), dict(prompts), precision)
