"""Small models whose optimum is known, for the core's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest
import torch
from torch import Tensor

from scc_core.models.base import VisionLanguageModel, ZeroShotModel
from scc_core.noise import Noise
from tests.rounding import rounded_input, rounded_output


def drawn(draw: Callable[..., Tensor], *shape: int, generator: torch.Generator) -> Tensor:
    """Draw float32 numbers and return them in torch's default dtype: the same numbers for every dtype."""
    return draw(*shape, generator=generator, dtype=torch.float32).to(torch.get_default_dtype())


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
        pixels = rounded_input(pixels.to(self.weight.dtype))
        return rounded_output((pixels - 0.5).flatten(1) @ self.weight.T + self.bias)

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
        self.kernel = drawn(torch.randn, 6, 3, 3, 3, generator=generator) * 0.5
        self.head = drawn(torch.randn, num_classes, 6 * 16, generator=generator) * 0.3

    def encode_image(self, pixels: Tensor) -> Tensor:
        pixels = rounded_input(pixels.to(self.kernel.dtype))
        hidden = torch.nn.functional.conv2d(pixels - 0.5, self.kernel, stride=2, padding=1)
        return rounded_output(torch.tanh(hidden).flatten(1) @ self.head.T)

    def prompt_encoder(self, context: str, class_names: Sequence[str]) -> ToyPrompts:
        return ToyPrompts(len(context.split()), len(class_names), len(self.head))


class ToyPrompts:
    """Class embeddings that a context of ``(C, 3)`` numbers bends: near the unit vectors, differentiable."""

    def __init__(self, num_tokens: int, num_classes: int, width: int) -> None:
        generator = torch.Generator().manual_seed(5)
        self.context = drawn(torch.randn, num_tokens, 3, generator=generator) * 0.1
        self.mixing = drawn(torch.randn, num_tokens, 3, num_classes, width, generator=generator)
        self.start = torch.eye(width)[:num_classes]

    def __call__(self, context: Tensor) -> Tensor:
        return self.start + torch.tanh((context[..., None, None] * self.mixing).sum(dim=(0, 1)))


def prompts(num_classes: int) -> dict[str, tuple[str, ...]]:
    return {f"{index}": (f"class {index}",) for index in range(num_classes)}


@pytest.fixture
def float64(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Everything in float64, this project's code and the published code alike: ``float()`` gives float64 too.

    Another batch, another processor or another order of summation changes the 16th digit instead of the 7th. A sign of
    a slope next to 0 then hangs on it a billion times less often, so that one definition has one result on every
    machine, and what depends on other images, or is another definition, stands out.
    """
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.fixture
def conv_model() -> ZeroShotModel:
    return ZeroShotModel(ConvTower(), prompts(4))


@pytest.fixture
def images() -> Tensor:
    return drawn(torch.rand, 12, 3, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def labels() -> Tensor:
    return torch.arange(12) % 4


@pytest.fixture
def noise() -> Noise:
    return Noise(seed=3, sample_ids=torch.arange(100, 112))
