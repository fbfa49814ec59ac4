"""Small models whose optimum is known, for the core's tests."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from scc_core.models.base import VisionLanguageModel, ZeroShotModel
from scc_core.noise import Noise


class LinearTower(VisionLanguageModel):
    """Image embedding ``W (x - 0.5) + b``; texts ``class k`` are the k-th unit vectors, so logits are its cosines.

    Every other text has some fixed embedding.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None, scale: float = 10.0) -> None:
        self.name = "linear"
        self.image_size = 8
        self.device = torch.device("cpu")
        self.logit_scale = scale
        self.weight = weight
        self.bias = torch.zeros(len(weight)) if bias is None else bias

    def encode_image(self, pixels: Tensor) -> Tensor:
        return (pixels - 0.5).flatten(1) @ self.weight.T + self.bias

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        return torch.stack([self._encode(text) for text in texts])

    def _encode(self, text: str) -> Tensor:
        if text.startswith("class "):
            return torch.eye(len(self.weight))[int(text.split()[-1])]
        return torch.cos(torch.arange(1, len(self.weight) + 1) * float(sum(text.encode())))


class ConvTower(LinearTower):
    """A small nonlinear tower with fixed random weights."""

    def __init__(self, num_classes: int = 4, scale: float = 20.0) -> None:
        generator = torch.Generator().manual_seed(0)
        super().__init__(torch.zeros(num_classes, 1), torch.zeros(num_classes), scale)
        self.kernel = torch.randn(6, 3, 3, 3, generator=generator) * 0.5
        self.head = torch.randn(num_classes, 6 * 16, generator=generator) * 0.3

    def encode_image(self, pixels: Tensor) -> Tensor:
        hidden = torch.nn.functional.conv2d(pixels - 0.5, self.kernel, stride=2, padding=1)
        return torch.tanh(hidden).flatten(1) @ self.head.T

    def prompt_encoder(self, context: str, class_names: Sequence[str]) -> ToyPrompts:
        return ToyPrompts(len(context.split()), len(class_names), len(self.head))


class ToyPrompts:
    """Class embeddings that a context of ``(C, 3)`` numbers bends: near the unit vectors, differentiable."""

    def __init__(self, num_tokens: int, num_classes: int, width: int) -> None:
        generator = torch.Generator().manual_seed(5)
        self.context = torch.randn(num_tokens, 3, generator=generator) * 0.1
        self.mixing = torch.randn(num_tokens, 3, num_classes, width, generator=generator)
        self.start = torch.eye(width)[:num_classes]

    def __call__(self, context: Tensor) -> Tensor:
        return self.start + torch.tanh((context[..., None, None] * self.mixing).sum(dim=(0, 1)))


def prompts(num_classes: int) -> dict[str, tuple[str, ...]]:
    return {f"{index}": (f"class {index}",) for index in range(num_classes)}


@pytest.fixture
def conv_model() -> ZeroShotModel:
    return ZeroShotModel(ConvTower(), prompts(4))


@pytest.fixture
def images() -> Tensor:
    return torch.rand(12, 3, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def labels() -> Tensor:
    return torch.arange(12) % 4


@pytest.fixture
def noise() -> Noise:
    return Noise(seed=3, sample_ids=torch.arange(100, 112))
