"""The tokenizer of an open_clip model, which needs none of its weights."""

from __future__ import annotations

from typing import Any

from scc_core.models.open_clip.blueprint import Blueprint
from scc_core.models.open_clip.tables import first_line, import_open_clip
from scc_core.models.prompt_tokens import PromptTokens
from scc_core.models.sources import OpenClipSourceError


def build_tokenizer(blueprint: Blueprint) -> Any:
    """Return open_clip's tokenizer of a model: it maps ``N`` texts and a context length ``L`` to ``(N, L)`` tokens.

    Raises:
        OpenClipSourceError: open_clip cannot build it.
    """
    open_clip = import_open_clip()
    text = blueprint.config["text_cfg"]
    try:
        if blueprint.tokenizer_folder is None:
            vocabulary = {} if blueprint.bpe is None else {"bpe_path": str(blueprint.bpe)}
            return open_clip.get_tokenizer(blueprint.model_name, **vocabulary)
        # open_clip itself would take every tokenizer of a local folder from that folder, wherever it really lies.
        return open_clip.tokenizer.HFTokenizer(
            str(blueprint.tokenizer_folder),
            context_length=blueprint.context_length,
            tokenizer_mode=text.get("tokenizer_mode"),
            **text.get("tokenizer_kwargs", {}),
        )
    except (RuntimeError, ValueError, OSError, KeyError, TypeError, AssertionError) as error:
        raise OpenClipSourceError(
            f"open_clip cannot load the tokenizer of {blueprint.name!r}: {first_line(error)}"
        ) from error


def clip_tokens() -> PromptTokens:
    """Return how OpenAI's CLIP reads prompts, and most models of open_clip: its tokenizer ships with open_clip."""
    tokenizer = import_open_clip().get_tokenizer("ViT-B-32")
    return PromptTokens(tokenizer, tokenizer.context_length)
