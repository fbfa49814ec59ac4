"""Networks of the usual size with random weights, and photographs, named in test grids by dotted path."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from scc_core import load_dataset
from scc_core.datasets import Dataset, DatasetCard
from scc_core.models import ModelCard, VisionLanguageModel

SIZE = 224


class RandomTowers(VisionLanguageModel):
    """An image tower with random weights; every text is a random direction of its own."""

    logit_scale = 100.0

    def __init__(self, name: str, tower: nn.Module, device: torch.device) -> None:
        self.name, self.image_size, self.device = name, SIZE, device
        self._tower = tower.eval().requires_grad_(False).to(device)
        with torch.no_grad():
            self._width = self.encode_image(torch.zeros(1, 3, SIZE, SIZE)).shape[1]

    def encode_image(self, pixels: Tensor) -> Tensor:
        found: Tensor = self._tower((pixels - 0.5) / 0.25)
        return found

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        return torch.stack([self._direction(text) for text in texts])

    def _direction(self, text: str) -> Tensor:
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "little")
        draw = torch.randn(self._width, generator=torch.Generator().manual_seed(seed))
        return functional.normalize(draw, dim=0)


class Entry:
    """Builds one architecture; its weights are drawn with a fixed seed."""

    version = "1"

    def __init__(self, name: str, build: Callable[[], nn.Module]) -> None:
        self.card = ModelCard(f"tests.networks:{name}", "random weights", name, SIZE, "none", "the tests")
        self._build = build

    def digest(self) -> str:
        return hashlib.sha256(self.card.name.encode()).hexdigest()

    def load(self, device: torch.device) -> RandomTowers:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return RandomTowers(self.card.name, self._build(), device)


def _open_clip(architecture: str) -> nn.Module:
    import open_clip

    visual: nn.Module = open_clip.create_model(architecture, pretrained=None).visual
    return visual


def _timm(architecture: str) -> nn.Module:
    import timm

    network: nn.Module = timm.create_model(architecture, num_classes=256)
    return network


vit = Entry("vit", lambda: _open_clip("ViT-B-32"))
resnet = Entry("resnet", lambda: _open_clip("RN50"))
efficientnet = Entry("efficientnet", lambda: _timm("efficientnet_b0"))


class FewPhotographs(Dataset):
    """The first 56 photographs of ``demo/photos``: a whole block and a short one."""

    def __init__(self) -> None:
        self._photos = load_dataset("demo/photos")
        self.card = DatasetCard(
            "tests.networks:photographs", "", "classification", "photo", "test", "none", "the tests"
        )
        self.class_names, self.templates = self._photos.class_names, self._photos.templates
        self.labels = self._photos.labels[:56]
        self.version = f"56 of {self._photos.version}"

    def image(self, index):
        return self._photos.image(index)


def photographs() -> Dataset:
    """The dataset as a grid names it."""
    return FewPhotographs()
