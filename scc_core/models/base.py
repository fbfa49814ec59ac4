"""The model contract: pixels in [0, 1] in, logits out; normalisation, logit scale and text embeddings inside."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from scc_core.components.choices import FAMILIES
from scc_core.cost import Cost
from scc_core.errors import UserError, unknown_name
from scc_core.machine.arithmetic import fixed_arithmetic
from scc_core.prompts import plain_name

PRECISIONS: Mapping[str, torch.dtype] = {
    "float32": torch.float32,
    "tf32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


@dataclass(frozen=True)
class ModelCard:
    """What a reader must know of a model before believing a number measured on it.

    What is not known is left out: None, 0 or the empty string.

    Attributes:
        name: as grids and results write it.
        summary: one line.
        architecture: of the two towers.
        image_size: side of the square input in pixels; 0 if unknown.
        licence: of the weights.
        source: where the weights come from.
        family: one of :data:`~scc_core.components.choices.FAMILIES`; results are shown by it.
        citation: the paper.
        demonstration: whether it stands for no published model.
        notes: what else a reader must know.
        mean: per-channel mean that is subtracted from [0, 1] pixels.
        std: per-channel deviation that they are divided by.
        context_length: tokens of a text at most.
        activation: ``quickgelu`` or ``gelu``, of open_clip's own transformers.
        repository: ``OWNER/NAME`` on the model hub.
    """

    name: str
    summary: str
    architecture: str
    image_size: int
    licence: str
    source: str
    family: str = "general"
    citation: str = ""
    demonstration: bool = False
    notes: Sequence[str] = field(default_factory=tuple)
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    context_length: int | None = None
    activation: str | None = None
    repository: str | None = None

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise unknown_name(f"family of model {self.name!r}:", str(self.family), FAMILIES)


class PromptEncoder(Protocol):
    """A text tower whose context tokens, the words before every class name, can be tuned.

    Attributes:
        context: ``(C, W)`` float32, the token embeddings of the written context.
    """

    context: Tensor

    def __call__(self, context: Tensor) -> Tensor:
        """Embed every class's prompt as ``(K, D)``, unnormalised, differentiable in ``context`` ``(C, W)``."""


class VisionLanguageModel(ABC):
    """An image tower and a text tower with a common embedding space, weights frozen.

    Attributes:
        name: the name under which grids and results know the model.
        image_size: side of the square input in pixels.
        device: where the towers compute.
        logit_scale: factor on the cosine similarities, already exponentiated.
        logit_bias: added to the scaled similarities (SigLIP); 0 for CLIP.
    """

    name: str
    image_size: int
    device: torch.device
    logit_scale: float
    logit_bias: float = 0.0

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name}, {self.image_size} pixels, on {self.device})"

    @abstractmethod
    def encode_image(self, pixels: Tensor) -> Tensor:
        """Embed ``(B, 3, S, S)`` float32 pixels in [0, 1] as ``(B, D)``, unnormalised, differentiable in pixels."""

    @abstractmethod
    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Embed ``N`` texts as ``(N, D)``, unnormalised."""

    def prompt_encoder(self, context: str, class_names: Sequence[str]) -> PromptEncoder:  # noqa: ARG002
        """Return an encoder of the prompts ``<context> <class name>.``; most towers have none.

        Raises:
            UserError: the context tokens of this model's text tower cannot be tuned, or the context has none.
        """
        raise self.no_prompt_encoder(f"it is part of a {type(self).__name__}")

    def no_prompt_encoder(self, reason: str) -> UserError:
        """Build the error of :meth:`prompt_encoder`."""
        return UserError(
            f"the text tower of model {self.name!r} has no context tokens to tune ({reason}); prompt tuning (r-tpt) "
            "runs on open_clip's own CLIP text transformers, such as those of demo-clip and openai/ViT-B-32"
        )


@dataclass
class Meter:
    """Counts images and texts that pass forward and backward through the towers, and notes an attack's gradients."""

    forwards: int = 0
    backwards: int = 0
    text_forwards: int = 0
    text_backwards: int = 0
    _steepest: dict[int, float] = field(default_factory=dict, init=False)

    def watch(self, features: Tensor) -> None:
        """Count one forward of ``features``' rows now, and one backward whenever a gradient reaches them."""
        images = len(features)
        self.forwards += images
        if features.requires_grad:

            def count_backward(_gradient: Tensor) -> None:
                self.backwards += images

            features.register_hook(count_backward)

    def watch_texts(self, embeddings: Tensor) -> None:
        """Count one forward of ``embeddings``' rows through the text tower now, and one backward as :meth:`watch`."""
        texts = len(embeddings)
        self.text_forwards += texts
        if embeddings.requires_grad:

            def count_backward(_gradient: Tensor) -> None:
                self.text_backwards += texts

            embeddings.register_hook(count_backward)

    @contextmanager
    def measure(self) -> Iterator[Callable[[], Cost]]:
        """Yield a function that returns the cost counted since entry (its ``seconds`` are 0)."""
        forwards, backwards = self.forwards, self.backwards
        text_forwards, text_backwards = self.text_forwards, self.text_backwards
        yield lambda: Cost(
            forwards=self.forwards - forwards,
            backwards=self.backwards - backwards,
            text_forwards=self.text_forwards - text_forwards,
            text_backwards=self.text_backwards - text_backwards,
        )

    def note_gradients(self, sample_ids: Tensor, largest: Tensor) -> None:
        """Note the largest absolute values ``(B,)`` of the gradients that an attack got for ``B`` samples."""
        for sample, value in zip(sample_ids.tolist(), largest.tolist(), strict=True):
            self._steepest[sample] = max(value, self._steepest.get(sample, 0.0))

    @contextmanager
    def attack_gradients(self) -> Iterator[Mapping[int, float]]:
        """Yield, by sample id, the largest absolute value of any gradient noted since entry."""
        self._steepest = {}
        yield self._steepest


class Classifier(Protocol):
    """What an attack sees: logits of pixels, differentiable, with a meter of its cost."""

    @property
    def meter(self) -> Meter:
        """The counter of forwards and backwards."""

    @property
    def num_classes(self) -> int:
        """Number of classes ``K``."""

    def __call__(self, pixels: Tensor) -> Tensor:
        """Return ``(B, K)`` logits of ``(B, 3, S, S)`` pixels in [0, 1]."""


class ZeroShotModel:
    """A vision-language model with the class prompts of one dataset: the classifier that is attacked and defended.

    Args:
        model: the towers.
        prompts: for every class, in label order, its rendered prompts. Several are an ensemble: their normalised
            embeddings are averaged and normalised again.
        precision: ``float32``; ``tf32``, whose products and convolutions round their factors to ten bits, on a GPU; or
            ``bfloat16`` or ``float16`` for autocast in the image tower. Features and logits are float32 in every case.

    Raises:
        UserError: no such precision, or ``tf32`` on a device that has none.

    Attributes:
        text_features: ``(K, D)`` float32, one unit vector per class.
        prompts: what was given.
        class_names: ``K`` names, in label order.
        meter: counts the images and the prompts that pass through the towers. The embeddings of fixed texts, which are
            computed once, are not counted.
    """

    def __init__(
        self, model: VisionLanguageModel, prompts: Mapping[str, Sequence[str]], precision: str = "float32"
    ) -> None:
        if precision not in PRECISIONS:
            raise unknown_name("precision", precision, PRECISIONS)
        if precision == "tf32" and model.device.type != "cuda":
            raise UserError(
                f"precision tf32 exists on GPUs only, and this is {model.device}: float32 is what it computes"
            )
        self.model = model
        self.precision = precision
        self.meter = Meter()
        self.text_features = _class_embeddings(model, prompts)
        self.prompts = dict(prompts)
        self.class_names = tuple(plain_name(key) for key in prompts)
        self._text_embeddings: dict[tuple[str, ...], Tensor] = {}

    @property
    def num_classes(self) -> int:
        """Number of classes ``K``."""
        return len(self.text_features)

    def features(self, pixels: Tensor, tower: VisionLanguageModel | None = None) -> Tensor:
        """Return raw image embeddings ``(B, D)`` float32 of ``(B, 3, S, S)`` pixels in [0, 1].

        Args:
            pixels: the images.
            tower: another model whose image tower embeds them; its passes count like this model's own.
        """
        dtype = PRECISIONS[self.precision]
        with torch.autocast(pixels.device.type, dtype=dtype, enabled=dtype is not torch.float32):
            features = (tower or self.model).encode_image(pixels)
        features = features.float()
        self.meter.watch(features)
        return features

    def similarities(self, features: Tensor) -> Tensor:
        """Return cosine similarities ``(B, K)`` of raw embeddings with the class embeddings."""
        return functional.normalize(features, dim=-1) @ self.text_features.T

    def logits(self, features: Tensor) -> Tensor:
        """Return ``(B, K)`` logits of raw embeddings: scaled cosine similarities."""
        return self.similarities(features) * self.model.logit_scale + self.model.logit_bias

    def embed_texts(self, texts: tuple[str, ...]) -> Tensor:
        """Return the unit vector ``(D,)`` float32 of an ensemble of texts; computed once."""
        if texts not in self._text_embeddings:
            self._text_embeddings[texts] = _class_embeddings(self.model, {"": texts})[0]
        return self._text_embeddings[texts]

    def prompt_encoder(self, context: str) -> PromptEncoder:
        """Return an encoder of the prompts ``<context> <class name>.``, whose passes the meter counts.

        Raises:
            UserError: the context tokens of the model's text tower cannot be tuned.
        """
        return _CountedPrompts(self.model.prompt_encoder(context, self.class_names), self.meter)

    def __call__(self, pixels: Tensor) -> Tensor:
        """Return ``(B, K)`` logits of ``(B, 3, S, S)`` pixels in [0, 1]."""
        return self.logits(self.features(pixels))


class _CountedPrompts:
    def __init__(self, encoder: PromptEncoder, meter: Meter) -> None:
        self.context = encoder.context
        self._encoder = encoder
        self._meter = meter

    def __call__(self, context: Tensor) -> Tensor:
        embeddings = self._encoder(context)
        self._meter.watch_texts(embeddings)
        return embeddings


@torch.no_grad()
def _class_embeddings(model: VisionLanguageModel, prompts: Mapping[str, Sequence[str]]) -> Tensor:
    texts = [text for rendered in prompts.values() for text in rendered]
    with fixed_arithmetic(model.device):
        embeddings = functional.normalize(model.encode_text(texts).float(), dim=-1)
    per_class = embeddings.split([len(rendered) for rendered in prompts.values()])
    return functional.normalize(torch.stack([group.mean(dim=0) for group in per_class]), dim=-1)
