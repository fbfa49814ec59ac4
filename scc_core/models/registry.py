"""The registry of models: names, cards and how to load them."""

from __future__ import annotations

from typing import Protocol

import torch

from scc_core.components.registry import Registry
from scc_core.models.base import ModelCard, VisionLanguageModel


class ModelEntry(Protocol):
    """A model that can be named in a grid."""

    @property
    def card(self) -> ModelCard:
        """What the model is."""

    def digest(self) -> str:
        """Return the SHA-256 of the weights without loading them; part of a cell's identity."""

    def load(self, device: torch.device) -> VisionLanguageModel:
        """Load the model onto ``device``, weights frozen."""


models: Registry[ModelEntry] = Registry("model", "sccbench.models")
