"""Models that open_clip loads: CLIP, SigLIP, BiomedCLIP and their kin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from scc_core.machine.file_digest import sha256_of
from scc_core.models.base import ModelCard, PromptEncoder, VisionLanguageModel
from scc_core.models.hub.cache import has_weights, not_fetched
from scc_core.models.open_clip.blueprint import Blueprint
from scc_core.models.open_clip.consistency import check_declared
from scc_core.models.open_clip.loader import OpenClipParts, build_parts, check_weights
from scc_core.models.open_clip.locate import locate
from scc_core.models.open_clip.prompt_tuning import ContextPrompts, context_positions, token_table
from scc_core.models.open_clip.tokenizer import build_tokenizer
from scc_core.models.prompt_tokens import PromptTokens
from scc_core.models.sources import CHECKPOINT_PREFIX, HUB_PREFIX

_TEXT_BATCH = 256


class OpenClipModel(VisionLanguageModel):
    """An open_clip module behind the model contract: pixels in [0, 1], normalisation inside."""

    def __init__(self, name: str, parts: OpenClipParts, device: torch.device) -> None:
        self.name = name
        self.device = device
        self.image_size = parts.image_size
        # Convolutions are a quarter faster with channels last, on CPUs as on tensor cores.
        module: Any = parts.module.to(device)
        module.to(memory_format=torch.channels_last)
        self._module = module
        self._tokenizer = parts.tokenizer
        self._mean = torch.tensor(parts.mean, device=device).reshape(3, 1, 1)
        self._std = torch.tensor(parts.std, device=device).reshape(3, 1, 1)
        self.logit_scale = float(self._module.logit_scale.exp())
        bias = getattr(self._module, "logit_bias", None)
        self.logit_bias = 0.0 if bias is None else float(bias)

    def encode_image(self, pixels: Tensor) -> Tensor:
        """Embed ``(B, 3, S, S)`` pixels in [0, 1] as ``(B, D)``, unnormalised."""
        normalised = ((pixels - self._mean) / self._std).contiguous(memory_format=torch.channels_last)
        features: Tensor = self._module.encode_image(normalised)
        return features

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Embed ``N`` texts as ``(N, D)``, unnormalised."""
        tokens = self._tokens(texts)
        return torch.cat([self._module.encode_text(part) for part in tokens.split(_TEXT_BATCH)])

    def prompt_encoder(self, context: str, class_names: Sequence[str]) -> PromptEncoder:
        """Return an encoder of the prompts ``<context> <class name>.`` with a tunable context.

        Raises:
            UserError: the text tower is not open_clip's own transformer, or the context is empty.
        """
        table = token_table(self._module)
        if table is None:
            raise self.no_prompt_encoder(f"it is a {type(self._module.text).__name__}")
        tokens = self._tokens(["", context, *(f"{context} {name}." for name in class_names)])
        positions = context_positions(tokens[0], tokens[1], tokens[2:])
        if positions.start == positions.stop:
            raise self.no_prompt_encoder(f"the context {context!r} has no tokens of its own")
        return ContextPrompts(self._module, table, tokens[2:], positions, _TEXT_BATCH)

    def _tokens(self, texts: Sequence[str]) -> Tensor:
        return self._tokenizer(list(texts)).to(self.device)


@dataclass(frozen=True)
class OpenClipEntry:
    """A model that open_clip builds from ``source``, one of the forms of :mod:`scc_core.models.sources`.

    Attributes:
        card: what the model is.
        source: where it comes from.
        published: the card of the model that ``source`` is a copy of, which it must agree with; None for no copy.
        version: of the numerics of :class:`OpenClipModel`, raised by every change that moves a logit.
    """

    version: ClassVar[int] = 1

    card: ModelCard
    source: str
    published: ModelCard | None = None

    def digest(self) -> str:
        """Return the SHA-256 of the weights, and of the model's own configuration and tokenizer where it has them.

        Raises:
            OpenClipSourceError: the source does not exist, is incomplete, or contradicts its card.
            NotFetchedError: its files have to be fetched first.
        """
        blueprint = self._blueprint()
        if self.source.startswith(CHECKPOINT_PREFIX):
            # A file of weights says nothing of itself, so that its user may have named anything.
            check_weights(blueprint)
        # Their files ship with this package, whose protocol version stands for them.
        return sha256_of(blueprint.weights) if self.card.demonstration else blueprint.digest()

    def prompt_tokens(self) -> PromptTokens:
        """Return how the model reads prompts, without its weights; raises what :meth:`digest` raises."""
        blueprint = self._blueprint()
        return PromptTokens(build_tokenizer(blueprint), blueprint.context_length)

    def load(self, device: torch.device) -> OpenClipModel:
        """Load the model onto ``device``; raises what :meth:`digest` raises."""
        return OpenClipModel(self.card.name, build_parts(self._blueprint()), device)

    def _blueprint(self) -> Blueprint:
        repository = self.card.repository
        if repository is not None and not self.source.startswith(HUB_PREFIX) and not has_weights(repository):
            # Told from the card alone, because open_clip's own tables take seconds to import.
            raise not_fetched(self.source, f"the weights file of {repository}")
        blueprint = locate(self.source)
        check_declared(blueprint, self.published or self.card)
        return blueprint
