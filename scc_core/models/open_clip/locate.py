"""Where the parts of an open_clip model lie on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from scc_core.embedded.sources import EMBEDDED_MODELS, embedded_model_source
from scc_core.models.hub.cache import (
    CONFIG_NAME,
    TEXT_CONFIG_NAME,
    VOCABULARY_NAMES,
    WEIGHTS_NAMES,
    cached_file,
    cached_tokenizer,
    cached_weights,
)
from scc_core.models.open_clip.activation import Named, with_activation
from scc_core.models.open_clip.blueprint import LOCAL_BPE_NAME, Blueprint, read_config, some
from scc_core.models.open_clip.tables import architecture_config, example_of, known_preprocessing, tag_settings
from scc_core.models.open_clip.weights_file import WeightsFile, read_weights
from scc_core.models.said_beside import SaidBeside, said_beside_checkpoint
from scc_core.models.sources import (
    CHECKPOINT_PREFIX,
    DEFAULT_REVISION,
    LOCAL_PREFIX,
    CheckpointSource,
    FolderSource,
    HubSource,
    OpenClipSourceError,
    TagSource,
    parse_source,
)

_WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pth")
_PREFERRED_WEIGHTS = (
    *WEIGHTS_NAMES,
    "open_clip_pytorch_model.pth",
    "model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.pth",
    "model.pth",
)


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
        case CheckpointSource():
            return _checkpoint(name, source)
        case TagSource(tag, architecture):
            settings = tag_settings(name, architecture, tag)
            weights = cached_weights(settings.repository, settings.file_name, DEFAULT_REVISION, name)
            return _tagged(name, source, weights)


def _tagged(name: str, source: TagSource, weights: Path) -> Blueprint:
    settings = tag_settings(name, source.architecture, source.tag)
    config = architecture_config(name, source.architecture)
    # OpenAI's weights need QuickGELU, which the plain architecture name does not imply.
    config["quick_gelu"] = bool(config.get("quick_gelu") or settings.quick_gelu)
    return _of_architecture(name, source.architecture, config, settings.preprocessing, weights)


def _checkpoint(name: str, source: CheckpointSource) -> Blueprint:
    """Return the blueprint of a file of weights: over its architecture, or over the model that it was tuned from."""
    config = None if source.base else architecture_config(name, source.architecture)
    if not source.path.is_file():
        raise OpenClipSourceError(f"model source {name!r}: there is no file {str(source.path)!r}")
    said = said_beside_checkpoint(source.path)
    base = named_base(source, said)
    weights = read_weights(source.path)
    if base is not None:
        found = _over_base(name, source, base, weights, config)
    elif weights.image_tower_alone:
        raise _lends_nobody(name, source, said, weights)
    else:
        preprocessing, assumed = known_preprocessing(source.architecture)
        found = _of_architecture(name, source.architecture, config or {}, preprocessing, source.path, assumed)
    if weights.left_aside:
        found = replace(found, remarks=(f"its file also holds {', '.join(weights.left_aside)}, which nothing reads",))
    by_name = found.quick_gelu if config is None else bool(config.get("quick_gelu"))
    return with_activation(found, source, Named(by_name, said, base), weights)


def _lends_nobody(name: str, source: CheckpointSource, said: SaidBeside, weights: WeightsFile) -> OpenClipSourceError:
    example = example_of(source.architecture)
    return OpenClipSourceError(
        f"model source {name!r}: the file holds an image tower alone ({len(weights.tensors)} tensors); name the model "
        f"that it was tuned from, which lends its text tower: {CHECKPOINT_PREFIX}{example}:{source.path}, or "
        f'base = "{example}" in {said.path}'
    )


def named_base(source: CheckpointSource, said: SaidBeside) -> str | None:
    """Return the model that weights were tuned from, as their name or the file beside them says; None if neither does.

    Raises:
        OpenClipSourceError: they say different ones.
    """
    if source.base and said.base and source.base != said.base:
        raise OpenClipSourceError(
            f"{str(source.path)!r} was tuned from {source.base} as its name says, from {said.base} as {said.path} says"
        )
    return source.base or said.base


def _over_base(
    name: str, source: CheckpointSource, base_name: str, weights: WeightsFile, config: Mapping[str, Any] | None
) -> Blueprint:
    """Return the blueprint of weights that take from their base model what they lack.

    Args:
        name: the model as it was asked for.
        source: what the name says.
        base_name: the base model.
        weights: the file's content.
        config: of the architecture that the name gives; None where the name gives the base instead.
    """
    base = _base(base_name, source.path)
    decided: tuple[str, ...] = ()
    if config is not None:
        _check_same_architecture(name, config, base_name, base.config)
        usual = known_preprocessing(source.architecture)[0]
        differing = [key for key in ("mean", "std") if base.preprocessing.get(key) != usual.get(key)]
        decided = tuple(f"{key}:{list(base.preprocessing.get(key, ()))}" for key in differing)
    lender = base if weights.image_tower_alone else None
    return replace(base, name=name, weights=source.path, base=lender, decided=decided, remarks=())


def needs_files_of(base: str, path: Path) -> bool:
    """Tell whether weights tuned from ``base`` need its files; of a tag, a whole model needs what open_clip knows."""
    is_tag = base not in EMBEDDED_MODELS and isinstance(parse_source(base), TagSource)
    return not is_tag or (path.is_file() and read_weights(path).image_tower_alone)


def _base(name: str, path: Path) -> Blueprint:
    if name in EMBEDDED_MODELS:
        return locate(embedded_model_source(name))
    source = parse_source(name)
    if isinstance(source, TagSource) and not needs_files_of(name, path):
        return _tagged(name, source, path)
    return locate(name)


def _check_same_architecture(
    name: str, config: Mapping[str, Any], base_name: str, base_config: Mapping[str, Any]
) -> None:
    for tower in ("vision_cfg", "text_cfg"):
        one, other = config[tower], base_config[tower]
        differing = [key for key in one if key in other and one[key] != other[key]]
        if differing:
            key = differing[0]
            raise OpenClipSourceError(
                f"model source {name!r}: its architecture is not that of its base {base_name}: "
                f"{key} of {tower} is {one[key]!r} against {other[key]!r}"
            )


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


def _folder_weights(folder: Path) -> Path:
    """Return the weights file that open_clip would choose, without importing open_clip."""
    found = {path.name: path for suffix in _WEIGHT_SUFFIXES for path in sorted(folder.glob(f"*{suffix}"))}
    if not found:
        raise OpenClipSourceError(
            f"model source '{LOCAL_PREFIX}{folder}': the folder has no weights; put {_PREFERRED_WEIGHTS[0]} there"
        )
    preferred = [found[name] for name in _PREFERRED_WEIGHTS if name in found]
    return preferred[0] if preferred else next(iter(found.values()))
