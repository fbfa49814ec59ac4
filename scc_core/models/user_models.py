"""Models from a user's own code: what they must offer, and one clear line where they do not."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import torch
from torch import Tensor

from scc_core.errors import ComponentError, UserError
from scc_core.models.base import ModelCard, VisionLanguageModel
from scc_core.models.open_clip.model import OpenClipEntry
from scc_core.models.registry import ModelEntry

NEEDED = (
    "a model needs `card` (a ModelCard), `digest() -> str` and `load(device) -> VisionLanguageModel`, or is a class or "
    "function without arguments that returns such an object"
)
_TOLERANCE = 0.02


@dataclass(frozen=True)
class UserEntry:
    """A user's model entry, with its answers checked.

    Attributes:
        name: as the grid writes it.
        entry: the user's object.
    """

    name: str
    entry: ModelEntry

    @property
    def card(self) -> ModelCard:
        """The user's card, under the name that the grid knows."""
        return replace(self.entry.card, name=self.name)

    def digest(self) -> str:
        """Return what the user's object returns.

        Raises:
            UserError: it is no word that can stand for the weights.
        """
        digest: Any = self.entry.digest()
        if not isinstance(digest, str) or not digest or digest.split() != [digest]:
            raise UserError(
                f"model {self.name!r}: digest() returned {digest!r}; it must be a word that changes whenever the "
                "model's answers do, such as the SHA-256 of its weights"
            )
        return digest

    def load(self, device: torch.device) -> VisionLanguageModel:
        """Load the user's model and try it on two images and two texts.

        Raises:
            ComponentError: it is no model, or its embeddings are not what the contract says.
        """
        model: Any = self.entry.load(device)
        if not isinstance(model, VisionLanguageModel):
            raise ComponentError(
                f"model {self.name!r}: load() returned a {type(model).__name__}, not a VisionLanguageModel; "
                "derive its class from scc_core.models.VisionLanguageModel"
            )
        model.name = self.name
        check_model(model)
        return model


def as_entry(name: str, component: Any) -> ModelEntry:
    """Return the model entry that a dotted path or an entry point leads to: the object itself, or what it makes.

    Raises:
        UserError: it is neither; the text says what a model needs.
    """
    entry = component
    if not _is_entry(component) and callable(component):
        try:
            inspect.signature(component).bind()
        except TypeError as error:
            raise UserError(f"model {name!r} cannot be made without arguments ({error}); {NEEDED}") from None
        try:
            entry = component()
        except UserError:
            raise
        except Exception as error:
            raise UserError(f"model {name!r} cannot be made: {type(error).__name__}: {error}") from error
    if not _is_entry(entry):
        lacking = " and ".join(_lacking(entry))
        raise UserError(f"model {name!r} is a {type(entry).__name__} without {lacking}; {NEEDED}")
    return entry if isinstance(entry, OpenClipEntry) else UserEntry(name, entry)


def _is_entry(component: Any) -> bool:
    return not inspect.isclass(component) and not _lacking(component)


def _lacking(component: Any) -> list[str]:
    methods = [f"{name}()" for name in ("digest", "load") if not callable(getattr(component, name, None))]
    return methods if isinstance(getattr(component, "card", None), ModelCard) else ["card", *methods]


def check_model(model: VisionLanguageModel) -> None:
    """Try a model on two images and two texts.

    Raises:
        ComponentError: what it says of itself or what it returns breaks the contract; the text says how.
    """

    def wrong(reason: str) -> NoReturn:
        raise ComponentError(f"model {model.name!r} breaks the contract of models: {reason}")

    size = getattr(model, "image_size", None)
    if not isinstance(size, int) or size < 1:
        wrong(f"image_size is {size!r}, not the side of its input in pixels")
    scale = getattr(model, "logit_scale", None)
    if not isinstance(scale, float | int) or not math.isfinite(scale) or scale <= 0:
        wrong(f"logit_scale is {scale!r}, not a positive number")
    if not isinstance(getattr(model, "device", None), torch.device):
        wrong(f"device is {getattr(model, 'device', None)!r}, not the torch.device that load() was given")
    images = _try(model, "encode_image", _probe(size, model.device), wrong)
    texts = _try(model, "encode_text", ["a photo of a cat.", "a photo of a dog."], wrong)
    if images.shape[1] != texts.shape[1]:
        wrong(f"images are embedded in {images.shape[1]} dimensions, texts in {texts.shape[1]}")
    # Dropout and batch statistics make an embedding depend on the batch, or on the call.
    alone = torch.cat([model.encode_image(image[None]) for image in _probe(size, model.device)])
    error = (alone - images).norm(dim=1) / images.norm(dim=1).clamp_min(1e-12)
    # Written so that NaN, which compares false, counts as broken: the deviation over a batch of one is NaN.
    if not (error <= _TOLERANCE).all():
        wrong("an image's embedding depends on the other images of its batch; is the module in training mode?")


def _try(model: VisionLanguageModel, method: str, argument: Any, wrong: Callable[[str], NoReturn]) -> Tensor:
    try:
        found: Any = getattr(model, method)(argument)
    except Exception as error:
        wrong(f"{method} raised {type(error).__name__}: {error}")
    if not isinstance(found, Tensor) or found.ndim != 2 or len(found) != 2 or not found.is_floating_point():
        shape = f"a tensor {tuple(found.shape)} of {found.dtype}" if isinstance(found, Tensor) else type(found).__name__
        wrong(f"{method} of two returned {shape}, not two rows of floating-point numbers")
    if found.requires_grad:
        wrong(f"{method} computes gradients of its weights; freeze them: module.eval().requires_grad_(False)")
    if not torch.isfinite(found).all():
        wrong(f"{method} returned numbers that are not finite")
    return found


def _probe(size: int, device: torch.device) -> Tensor:
    """Return two different fixed images ``(2, 3, S, S)`` in [0, 1]."""
    ramp = torch.linspace(0, 1, size, device=device)
    first = torch.stack([ramp[:, None].expand(size, size), ramp[None].expand(size, size), ramp.outer(ramp)])
    return torch.stack([first, 1 - first.flip(0) ** 2])
