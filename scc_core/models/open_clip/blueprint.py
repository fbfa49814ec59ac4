"""What an open_clip model consists of: weights, configuration, text tower, tokenizer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scc_core.machine.file_digest import sha256_of
from scc_core.models.hub.cache import TEXT_CONFIG_NAME, TOKENIZER_NAMES
from scc_core.models.sources import OpenClipSourceError

LOCAL_BPE_NAME = "bpe_simple_vocab.txt.gz"


@dataclass(frozen=True)
class Blueprint:
    """All that is needed to build a model without a network.

    Attributes:
        name: the model as it was asked for.
        model_name: what open_clip is asked to build.
        config: open_clip's ``model_cfg``: towers, embedding, activation.
        preprocessing: what the weights expect of an image: ``mean``, ``std``, ``interpolation``, ``resize_mode``.
        weights: the file of weights.
        own_config: the model's own configuration file, where it has one.
        text_folder: folder of the configuration of a text tower from transformers.
        tokenizer_folder: folder of a tokenizer from transformers.
        bpe: a byte-pair vocabulary of the model's own.
        assumed: what had to be assumed, for a warning; empty if everything is said somewhere.
        base: the model that the weights were tuned from, where it has to lend its text tower.
        decided: what decides the answers and stands neither in the name nor in a file named here.
        remarks: what else a user must know, for a warning each.
    """

    name: str
    model_name: str
    config: Mapping[str, Any]
    preprocessing: Mapping[str, Any]
    weights: Path
    own_config: Path | None = None
    text_folder: Path | None = None
    tokenizer_folder: Path | None = None
    bpe: Path | None = None
    assumed: str = ""
    base: Blueprint | None = None
    decided: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def quick_gelu(self) -> bool:
        """Whether open_clip's own transformers are built with QuickGELU."""
        return bool(self.config.get("quick_gelu", False))

    @property
    def context_length(self) -> int:
        """Tokens of a text at most."""
        return int(self.config["text_cfg"].get("context_length", 77))

    @property
    def image_size(self) -> int | None:
        """Side of the square input in pixels; None where the configuration leaves it to open_clip."""
        size: int | Sequence[int] | None = self.config["vision_cfg"].get("image_size")
        return size if size is None or isinstance(size, int) else size[0]

    def companions(self) -> list[Path]:
        """Return the files beside the weights that decide the model's answers."""
        found = [self.own_config, self.bpe]
        if self.text_folder is not None:
            found.append(self.text_folder / TEXT_CONFIG_NAME)
        if self.tokenizer_folder is not None:
            found += [self.tokenizer_folder / name for name in TOKENIZER_NAMES]
        return sorted({path for path in found if path is not None and path.is_file()})

    def digest(self) -> str:
        """Return the SHA-256 of the weights, or of weights and all that decides the answers beside them."""
        weights = sha256_of(self.weights)
        parts = sorted({f"{path.name}:{sha256_of(path)}" for path in self.companions()})
        parts += self.decided if self.base is None else [*self.decided, f"base:{self.base.digest()}"]
        return hashlib.sha256("\n".join([weights, *parts]).encode()).hexdigest() if parts else weights


def read_config(path: Path) -> dict[str, Any]:
    """Return the content of an ``open_clip_config.json``.

    Raises:
        OpenClipSourceError: it is no such file.
    """
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        for tower in ("vision_cfg", "text_cfg"):
            config["model_cfg"][tower].get("context_length")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OpenClipSourceError(
            f"{str(path)!r} is not an open_clip config with model_cfg, vision_cfg and text_cfg: {error!r}"
        ) from error
    return config


def some(names: Sequence[str], shown: int = 8) -> str:
    """Return the first names of a list that may be long."""
    return ", ".join(names[:shown]) + (", ..." if len(names) > shown else "")
