"""Every open_clip model, local or from a hub, as one bundle of what evaluation needs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from scc_core.errors import UserError

LOCAL_PREFIX = "local-dir:"
HUB_PREFIX = "hf-hub:"
_CONFIG_NAME = "open_clip_config.json"
_LOCAL_BPE_NAME = "bpe_simple_vocab.txt.gz"
_WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pth")
_PREFERRED_WEIGHTS = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
    "model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.pth",
    "model.pth",
)
_CHUNK = 1 << 20


class OpenClipSourceError(UserError):
    """A model source that cannot be loaded; the text says what was given, what exists and what to do."""


class OpenClipParts(NamedTuple):
    """A loaded model and what must be known to feed it.

    Attributes:
        module: the open_clip module, float32, in eval mode, every parameter frozen.
        tokenizer: maps ``N`` texts to ``(N, L)`` int64 tokens.
        image_size: side of the square input in pixels.
        mean: per-channel mean that the model expects to be subtracted from [0, 1] pixels.
        std: per-channel deviation that the model expects them to be divided by.
        weights_digest: SHA-256 of the weights file, hexadecimal.
        weights_path: the weights file.
    """

    module: nn.Module
    tokenizer: Callable[[Sequence[str]], Tensor]
    image_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    weights_digest: str
    weights_path: Path


class _Location(NamedTuple):
    """How open_clip is asked for a model: its name, a pretrained tag, and overrides that the source needs."""

    model_name: str
    tag: str | None
    weights_path: Path
    model_overrides: dict[str, Any]
    tokenizer_overrides: dict[str, Any]


def load_open_clip(source: str, *, device: str | torch.device = "cpu", **overrides: Any) -> OpenClipParts:
    """Load an open_clip model.

    Args:
        source: ``local-dir:PATH``, ``hf-hub:OWNER/NAME``, or ``TAG/ARCHITECTURE``, as ``openai/ViT-B-32``.
        device: where the module goes.
        **overrides: further arguments of ``open_clip.create_model``.

    Raises:
        OpenClipSourceError: the source does not exist, is incomplete, or open_clip cannot build it.
    """
    location = _locate(source)
    module, tokenizer = _build(source, location, device, overrides)
    settings = module.visual.preprocess_cfg
    size = settings["size"]
    return OpenClipParts(
        module=module.float().eval().requires_grad_(False),
        tokenizer=tokenizer,
        image_size=int(size if isinstance(size, int) else size[0]),
        mean=_three(settings["mean"]),
        std=_three(settings["std"]),
        weights_digest=_sha256(location.weights_path),
        weights_path=location.weights_path,
    )


def weights_digest(source: str) -> str:
    """Return the SHA-256 of a source's weights file without building the model.

    Raises:
        OpenClipSourceError: the source does not exist or is incomplete.
    """
    if source.startswith(LOCAL_PREFIX):
        return _sha256(_local_weights(_local_folder(source)))
    return _sha256(_locate(source).weights_path)


def _build(
    source: str, location: _Location, device: str | torch.device, overrides: dict[str, Any]
) -> tuple[Any, Callable[[Sequence[str]], Tensor]]:
    open_clip = _import_open_clip()
    arguments = {**location.model_overrides, **overrides}
    try:
        module = open_clip.create_model(location.model_name, location.tag, device=device, **arguments)
        tokenizer = open_clip.get_tokenizer(location.model_name, **location.tokenizer_overrides)
    except (RuntimeError, ValueError, OSError, KeyError, TypeError) as error:
        raise OpenClipSourceError(f"open_clip cannot load {source!r}: {_first_line(error)}") from error
    return module, lambda texts: tokenizer(list(texts))


def _import_open_clip() -> Any:
    try:
        import open_clip

        # timm must know the embedded image towers before open_clip asks it for them.
        import scc_core.embedded.architectures  # noqa: F401
    except (ImportError, TypeError) as error:
        # open_clip raises TypeError where transformers is installed without tokenizers.
        raise OpenClipSourceError(
            f"open_clip cannot be imported ({_first_line(error)}): "
            "pip install open_clip_torch timm transformers tokenizers"
        ) from error
    return open_clip


def _locate(source: str) -> _Location:
    if source.startswith(LOCAL_PREFIX):
        return _locate_local(_local_folder(source))
    if source.startswith(HUB_PREFIX):
        return _locate_hub(source)
    return _locate_tag(source)


def _local_folder(source: str) -> Path:
    folder = Path(source.removeprefix(LOCAL_PREFIX)).expanduser()
    if not folder.is_dir():
        raise OpenClipSourceError(f"model source {source!r}: there is no folder {str(folder)!r}")
    if not (folder / _CONFIG_NAME).is_file():
        found = ", ".join(sorted(path.name for path in folder.iterdir())) or "nothing"
        raise OpenClipSourceError(f"model source {source!r}: the folder has no {_CONFIG_NAME}; it holds {found}")
    return folder


def _local_weights(folder: Path) -> Path:
    """Return the weights file that open_clip would choose, without importing open_clip."""
    found = {path.name: path for suffix in _WEIGHT_SUFFIXES for path in sorted(folder.glob(f"*{suffix}"))}
    if not found:
        raise OpenClipSourceError(
            f"model source '{LOCAL_PREFIX}{folder}': the folder has no weights; put {_PREFERRED_WEIGHTS[0]} there"
        )
    preferred = [found[name] for name in _PREFERRED_WEIGHTS if name in found]
    return preferred[0] if preferred else next(iter(found.values()))


def _locate_local(folder: Path) -> _Location:
    weights = _local_weights(folder)
    return _Location(f"{LOCAL_PREFIX}{folder}", None, weights, *local_overrides(folder))


def local_overrides(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what open_clip must be told to find a folder's own text tower and tokenizer.

    Returns:
        Arguments of ``open_clip.create_model`` and of ``open_clip.get_tokenizer``.
    """
    text_config = _local_text_config(folder)
    model_overrides: dict[str, Any] = {}
    tokenizer_overrides: dict[str, Any] = {}
    if "hf_model_name" in text_config and (folder / "config.json").is_file():
        # open_clip takes the tokenizer from a local folder, but looks for the text tower's config on the hub.
        model_overrides["text_cfg"] = {
            **text_config,
            "hf_model_name": str(folder),
            "hf_model_pretrained": False,
        }
    if (folder / _LOCAL_BPE_NAME).is_file():
        tokenizer_overrides["bpe_path"] = str(folder / _LOCAL_BPE_NAME)
    return model_overrides, tokenizer_overrides


def _local_text_config(folder: Path) -> dict[str, Any]:
    path = folder / _CONFIG_NAME
    try:
        text_config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["model_cfg"]["text_cfg"]
    except (ValueError, KeyError, TypeError) as error:
        raise OpenClipSourceError(
            f"{str(path)!r} is not an open_clip config with model_cfg and text_cfg: {error!r}"
        ) from error
    return text_config


def _locate_hub(source: str) -> _Location:
    _import_open_clip()
    from open_clip.pretrained import download_pretrained_from_hf

    try:
        weights = Path(download_pretrained_from_hf(source.removeprefix(HUB_PREFIX)))
    except Exception as error:  # the hub client raises many unrelated kinds
        raise OpenClipSourceError(
            f"model source {source!r} is not in the hub cache and cannot be downloaded: {_first_line(error)}"
        ) from error
    return _Location(source, None, weights, {}, {})


def _locate_tag(source: str) -> _Location:
    open_clip = _import_open_clip()
    tag, separator, architecture = source.partition("/")
    if not separator:
        raise OpenClipSourceError(
            f"model source {source!r} is none of {LOCAL_PREFIX}PATH, {HUB_PREFIX}OWNER/NAME and "
            "TAG/ARCHITECTURE such as openai/ViT-B-32"
        )
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if tag not in tags:
        existing = (
            f"its tags: {', '.join(tags)}" if tags else "open_clip has no pretrained weights of that architecture"
        )
        raise OpenClipSourceError(
            f"model source {source!r}: no tag {tag!r} of architecture {architecture!r}; {existing}"
        )
    settings = open_clip.get_pretrained_cfg(architecture, tag)
    try:
        weights = Path(open_clip.download_pretrained(settings))
    except Exception as error:  # the download clients raise many unrelated kinds
        raise OpenClipSourceError(f"the weights of {source!r} cannot be downloaded: {_first_line(error)}") from error
    # OpenAI's weights need QuickGELU, which the plain architecture name does not imply.
    overrides = {"force_quick_gelu": True} if settings.get("quick_gelu") else {}
    return _Location(architecture, tag, weights, overrides, {})


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
