"""Write a model as open_clip's ``local-dir:`` layout: config, fp16 weights, tokenizer files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from recipes.embedded.recipes import Recipe
from recipes.embedded.tokenizers import wordpiece_vocabulary, write_trimmed_bpe, write_wordpiece

WEIGHTS_NAME = "open_clip_model.safetensors"


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def write_model_files(folder: Path, recipe: Recipe) -> None:
    """Write everything but the weights and the card."""
    folder.mkdir(parents=True, exist_ok=True)
    if recipe.bert_config is None:
        write_trimmed_bpe(folder, recipe.open_clip_config["model_cfg"]["text_cfg"]["vocab_size"])
    else:
        write_wordpiece(folder)
        _write_json(folder / "config.json", {**recipe.bert_config, "vocab_size": len(wordpiece_vocabulary())})
    _write_json(folder / "open_clip_config.json", recipe.open_clip_config)


def write_weights(folder: Path, module: nn.Module) -> None:
    """Write the module's state, floating-point tensors as fp16, to ``open_clip_model.safetensors``."""
    from safetensors.torch import save_file

    tensors = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).detach().cpu().contiguous().clone()
        for name, tensor in module.state_dict().items()
    }
    save_file(tensors, folder / WEIGHTS_NAME, metadata={"format": "pt"})
    # safetensors writes the file readable by its owner alone.
    (folder / WEIGHTS_NAME).chmod(0o644)


def build_untrained(folder: Path, seed: int) -> tuple[nn.Module, Any]:
    """Build the module that a folder's config describes, initialised from ``seed``, and its tokenizer."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _create(folder)


def _create(folder: Path) -> tuple[nn.Module, Any]:
    import open_clip

    import scc_core.embedded.architectures  # noqa: F401  (registers the image towers with timm)
    from scc_core.models.open_clip.loader import local_overrides

    model_overrides, tokenizer_overrides = local_overrides(folder)
    name = f"local-dir:{folder}"
    module: nn.Module = open_clip.create_model(name, load_weights=False, pretrained_text=False, **model_overrides)
    return module, open_clip.get_tokenizer(name, **tokenizer_overrides)
