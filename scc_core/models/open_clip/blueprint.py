"""Where the parts of an open_clip model lie on this machine: weights, configuration, text tower, tokenizer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scc_core.machine.file_digest import sha256_of
from scc_core.models.hub.cache import (
    CONFIG_NAME,
    TEXT_CONFIG_NAME,
    TOKENIZER_NAMES,
    VOCABULARY_NAMES,
    WEIGHTS_NAMES,
    cached_file,
    cached_tokenizer,
    cached_weights,
)
from scc_core.models.open_clip.tables import architecture_config, known_preprocessing, tag_settings
from scc_core.models.sources import (
    DEFAULT_REVISION,
    LOCAL_PREFIX,
    CheckpointSource,
    FolderSource,
    HubSource,
    OpenClipSourceError,
    TagSource,
    parse_source,
)

LOCAL_BPE_NAME = "bpe_simple_vocab.txt.gz"
_WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pth")
_PREFERRED_WEIGHTS = (
    *WEIGHTS_NAMES,
    "open_clip_pytorch_model.pth",
    "model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.pth",
    "model.pth",
)


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
        """Return the SHA-256 of the weights, or of weights and companions where there are any."""
        weights = sha256_of(self.weights)
        companions = [f"{path.name}:{sha256_of(path)}" for path in self.companions()]
        if not companions:
            return weights
        return hashlib.sha256("\n".join([weights, *sorted(set(companions))]).encode()).hexdigest()


def locate(name: str) -> Blueprint:
    """Find a model's parts on this machine, without a network and without reading the weights.

    Raises:
        OpenClipSourceError: the name leads nowhere, or what lies there is incomplete.
        NotFetchedError: it has to be fetched first.
    """
    source = parse_source(name)
    match source:
        case FolderSource(folder):
            if not folder.is_dir():
                raise OpenClipSourceError(f"model source {name!r}: there is no folder {str(folder)!r}")
            if not (folder / CONFIG_NAME).is_file():
                found = some(sorted(path.name for path in folder.iterdir())) or "nothing"
                raise OpenClipSourceError(f"model source {name!r}: the folder has no {CONFIG_NAME}; it holds {found}")
            config = read_config(folder / CONFIG_NAME)
            return _with_own_config(name, folder / CONFIG_NAME, config, _folder_weights(folder), folder)
        case HubSource(repository, revision):
            path = cached_file(repository, CONFIG_NAME, revision, name)
            config = read_config(path)
            return _with_own_config(name, path, config, cached_weights(repository, None, revision, name))
        case CheckpointSource(architecture, path):
            config = architecture_config(name, architecture)
            if not path.is_file():
                raise OpenClipSourceError(f"model source {name!r}: there is no file {str(path)!r}")
            preprocessing, assumed = known_preprocessing(architecture)
            return _of_architecture(name, architecture, config, preprocessing, path, assumed)
        case TagSource(tag, architecture):
            settings = tag_settings(name, architecture, tag)
            config = architecture_config(name, architecture)
            # OpenAI's weights need QuickGELU, which the plain architecture name does not imply.
            config["quick_gelu"] = bool(config.get("quick_gelu") or settings.quick_gelu)
            weights = cached_weights(settings.repository, settings.file_name, DEFAULT_REVISION, name)
            return _of_architecture(name, architecture, config, settings.preprocessing, weights)


def _with_own_config(
    name: str, path: Path, config: Mapping[str, Any], weights: Path, folder: Path | None = None
) -> Blueprint:
    """Return the blueprint of a model with an ``open_clip_config.json``; ``folder`` may hold its other files, too."""
    text, preprocessing = config["model_cfg"]["text_cfg"], config.get("preprocess_cfg", {})
    missing = [key for key in ("mean", "std") if key not in preprocessing]
    bpe = folder / LOCAL_BPE_NAME if folder is not None else None
    return Blueprint(
        name=name,
        model_name=f"{LOCAL_PREFIX}{path.parent}",
        config=config["model_cfg"],
        preprocessing=preprocessing,
        weights=weights,
        own_config=path,
        text_folder=_text_folder(text, name, folder),
        tokenizer_folder=_tokenizer_folder(text, name, folder),
        bpe=bpe if bpe is not None and bpe.is_file() else None,
        assumed=f"its {CONFIG_NAME} gives no {' and no '.join(missing)}; OpenAI's are assumed" if missing else "",
    )


def _of_architecture(
    name: str,
    architecture: str,
    config: Mapping[str, Any],
    preprocessing: Mapping[str, Any],
    weights: Path,
    assumed: str = "",
) -> Blueprint:
    """Return the blueprint of weights for one of open_clip's architectures."""
    return Blueprint(
        name=name,
        model_name=architecture,
        config=config,
        preprocessing=preprocessing,
        weights=weights,
        text_folder=_text_folder(config["text_cfg"], name),
        tokenizer_folder=_tokenizer_folder(config["text_cfg"], name),
        assumed=assumed,
    )


def _text_folder(text: Mapping[str, Any], model: str, folder: Path | None = None) -> Path | None:
    """Return the folder with a text tower's ``config.json``: the model's own, a path, or the hub's cache."""
    given = text.get("hf_model_name")
    if not given:
        return None
    for place in (folder, Path(given)):
        if place is not None and (place / TEXT_CONFIG_NAME).is_file():
            return place
    return cached_file(given, TEXT_CONFIG_NAME, DEFAULT_REVISION, model).parent


def _tokenizer_folder(text: Mapping[str, Any], model: str, folder: Path | None = None) -> Path | None:
    """Return the folder with a tokenizer's files: the model's own, a path, or the hub's cache."""
    given = text.get("hf_tokenizer_name")
    if not given:
        return None
    for place in (folder, Path(given)):
        if place is not None and any((place / name).is_file() for name in VOCABULARY_NAMES):
            return place
    return cached_tokenizer(given, model)


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


def _folder_weights(folder: Path) -> Path:
    """Return the weights file that open_clip would choose, without importing open_clip."""
    found = {path.name: path for suffix in _WEIGHT_SUFFIXES for path in sorted(folder.glob(f"*{suffix}"))}
    if not found:
        raise OpenClipSourceError(
            f"model source '{LOCAL_PREFIX}{folder}': the folder has no weights; put {_PREFERRED_WEIGHTS[0]} there"
        )
    preferred = [found[name] for name in _PREFERRED_WEIGHTS if name in found]
    return preferred[0] if preferred else next(iter(found.values()))
