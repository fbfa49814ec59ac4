"""Every open_clip model, local or from a hub, as one bundle of what evaluation needs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from scc_core.models.hub.cache import CONFIG_NAME, TEXT_CONFIG_NAME
from scc_core.models.open_clip.blueprint import LOCAL_BPE_NAME, Blueprint, read_config
from scc_core.models.open_clip.checkpoint import fitting_state, load_weights
from scc_core.models.open_clip.consistency import check_built
from scc_core.models.open_clip.locate import locate
from scc_core.models.open_clip.tables import PREPROCESSING_KEYS, first_line, import_open_clip
from scc_core.models.open_clip.tokenizer import build_tokenizer
from scc_core.models.sources import OpenClipSourceError


class OpenClipParts(NamedTuple):
    """A loaded model and what must be known to feed it.

    Attributes:
        module: the open_clip module, float32, in eval mode, every parameter frozen.
        tokenizer: maps ``N`` texts to ``(N, L)`` int64 tokens.
        image_size: side of the square input in pixels.
        mean: per-channel mean that the model expects to be subtracted from [0, 1] pixels.
        std: per-channel deviation that the model expects them to be divided by.
    """

    module: nn.Module
    tokenizer: Callable[[Sequence[str]], Tensor]
    image_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def load_open_clip(source: str, *, device: str | torch.device = "cpu") -> OpenClipParts:
    """Load an open_clip model from this machine; nothing is downloaded.

    Args:
        source: ``local-dir:PATH``, ``hf-hub:OWNER/NAME``, ``TAG/ARCHITECTURE`` as ``openai/ViT-B-32``, or
            ``checkpoint:ARCHITECTURE:PATH``, or ``checkpoint:BASE-MODEL:PATH``.
        device: where the module goes.

    Raises:
        OpenClipSourceError: the source does not exist, is incomplete, does not fit together, or open_clip cannot
            build it.
        NotFetchedError: its files have to be fetched first.
    """
    return build_parts(locate(source), device)


def build_parts(blueprint: Blueprint, device: str | torch.device = "cpu") -> OpenClipParts:
    """Build what a blueprint describes and load its weights; see :func:`load_open_clip`."""
    module, tokenizer = _module(blueprint), build_tokenizer(blueprint)
    load_weights(module, blueprint)
    check_built(module, blueprint)
    visual: Any = module.visual
    settings = visual.preprocess_cfg
    size = settings["size"]
    return OpenClipParts(
        module=module.float().eval().requires_grad_(False).to(device),
        tokenizer=lambda texts: tokenizer(list(texts)),
        image_size=int(size if isinstance(size, int) else size[0]),
        mean=_three(settings["mean"]),
        std=_three(settings["std"]),
    )


def check_weights(blueprint: Blueprint) -> None:
    """Compare names and shapes of a blueprint's weights with those of its architecture, without loading them.

    Raises:
        OpenClipSourceError: they do not fit; the text names what is missing, unexpected or of another shape.
    """
    with torch.device("meta"):
        module = _module(blueprint, "meta")
    fitting_state(module, blueprint)


def _module(blueprint: Blueprint, device: str = "cpu") -> nn.Module:
    preprocessing = {key: value for key, value in blueprint.preprocessing.items() if key in PREPROCESSING_KEYS}
    with _explained(blueprint), _weights_come_later():
        module: nn.Module = import_open_clip().create_model(
            blueprint.model_name,
            load_weights=False,
            pretrained_text=False,
            device=device,
            force_quick_gelu=blueprint.quick_gelu,
            force_preprocess_cfg=preprocessing,
            **_text_override(blueprint.config["text_cfg"], blueprint.text_folder),
        )
    return module


@contextmanager
def _explained(blueprint: Blueprint) -> Iterator[None]:
    """Turn what open_clip raises into one line that names the model."""
    try:
        yield
    except (RuntimeError, ValueError, OSError, KeyError, TypeError, AssertionError) as error:
        raise OpenClipSourceError(f"open_clip cannot load {blueprint.name!r}: {first_line(error)}") from error


@contextmanager
def _weights_come_later() -> Iterator[None]:
    """Keep open_clip from saying that the model is left random: its weights are loaded, and checked, afterwards."""

    def pertinent(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("No pretrained weights loaded")

    root = logging.getLogger()
    root.addFilter(pertinent)
    try:
        yield
    finally:
        root.removeFilter(pertinent)


def _text_override(text: Any, folder: Path | None) -> dict[str, Any]:
    """Return the arguments that make open_clip read a text tower's configuration from ``folder``, not from the hub."""
    if folder is None:
        return {}
    return {"text_cfg": {**text, "hf_model_name": str(folder), "hf_model_pretrained": False}}


def local_overrides(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what open_clip must be told to find a folder's own text tower and tokenizer.

    Returns:
        Arguments of ``open_clip.create_model`` and of ``open_clip.get_tokenizer``.
    """
    text = read_config(folder / CONFIG_NAME)["model_cfg"]["text_cfg"]
    own_tower = "hf_model_name" in text and (folder / TEXT_CONFIG_NAME).is_file()
    bpe = folder / LOCAL_BPE_NAME
    return _text_override(text, folder if own_tower else None), {"bpe_path": str(bpe)} if bpe.is_file() else {}


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
