"""A model of one's own, whole in one file: it tells colours apart, from pixels and from words, without any weights.

Name it in a grid by its dotted path, from the folder that this file lies in:

    models: [my_model:ColourModel]
    datasets: [demo/colours]
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from scc_core.models import ModelCard, VisionLanguageModel

COLOURS = {
    "red": (0.86, 0.16, 0.16),
    "orange": (0.95, 0.55, 0.12),
    "yellow": (0.95, 0.9, 0.2),
    "green": (0.2, 0.65, 0.25),
    "cyan": (0.2, 0.8, 0.85),
    "blue": (0.18, 0.3, 0.85),
    "purple": (0.55, 0.25, 0.7),
    "pink": (0.95, 0.55, 0.75),
    "brown": (0.5, 0.32, 0.18),
    "white": (0.95, 0.95, 0.95),
}


class ColourTowers(VisionLanguageModel):
    """Both towers embed in one dimension per colour: how much of an image has it, whether a text names it."""

    def __init__(self, device: torch.device) -> None:
        self.name = "colours"
        self.image_size = 64
        self.device = device
        self.logit_scale = 20.0
        self._colours = torch.tensor(list(COLOURS.values()), device=device)

    def encode_image(self, pixels: Tensor) -> Tensor:
        """Embed ``(B, 3, S, S)`` pixels in [0, 1] as ``(B, 10)``: differentiable, and no image sees another."""
        points = pixels.flatten(2).transpose(1, 2)
        distances = (points[:, :, None] - self._colours).square().sum(dim=-1)
        # The background is near none of the colours, so only what is near one counts.
        return torch.softmax(-20 * distances, dim=-1).mul(torch.exp(-40 * distances)).mean(dim=1)

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Embed ``N`` texts as ``(N, 10)``: 1 where a colour is named."""
        named = [[float(colour in text.split()) for colour in COLOURS] for text in texts]
        return torch.tensor(named, device=self.device) + 1e-3


class ColourModel:
    """What a grid names: a card, a digest of all that decides the answers, and a way to load the model."""

    card = ModelCard(
        name="my_model:ColourModel",
        summary="compares pixels with ten named colours",
        architecture="no network",
        image_size=64,
        licence="Apache-2.0",
        source="docs/examples/my_model.py",
    )

    def digest(self) -> str:
        """Return the SHA-256 of this file; a model with weights returns that of its weights."""
        return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()

    def load(self, device: torch.device) -> VisionLanguageModel:
        """Load the model onto ``device``, weights frozen."""
        return ColourTowers(device)
