"""What open_clip itself knows: architectures, pretrained tags and what their weights expect."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from scc_core.errors import unknown_name
from scc_core.models.sources import OpenClipSourceError

PREPROCESSING_KEYS = ("mean", "std", "interpolation", "resize_mode")
"""What weights may expect of an image, as open_clip's configurations name it."""
# The hosts that publish a file under a name or an address that holds its SHA-256, or its first digits.
_OPENAI_HOST, _OPEN_CLIP_HOST = "openaipublic", "mlfoundations"
_SHORT_DIGEST = 8


class TagSettings(NamedTuple):
    """What open_clip records of a tag.

    Attributes:
        repository: where the hub holds the weights.
        file_name: their name there; None for open_clip's usual names.
        quick_gelu: whether the weights were trained with QuickGELU.
        preprocessing: what they expect of an image.
    """

    repository: str
    file_name: str | None
    quick_gelu: bool
    preprocessing: Mapping[str, Any]


class KnownWeights(NamedTuple):
    """Weights that open_clip publishes, recognised by their digest or by where they lie."""

    architecture: str
    tag: str
    quick_gelu: bool
    preprocessing: Mapping[str, Any]


def import_open_clip() -> Any:
    """Return the module ``open_clip``, with this project's own image towers made known to timm.

    Raises:
        OpenClipSourceError: it cannot be imported; the text says what to install.
    """
    try:
        import open_clip

        # timm must know the embedded image towers before open_clip asks it for them.
        import scc_core.embedded.architectures  # noqa: F401
    except (ImportError, TypeError) as error:
        # open_clip raises TypeError where transformers is installed without tokenizers.
        raise OpenClipSourceError(
            f"open_clip cannot be imported ({first_line(error)}): "
            "pip install open_clip_torch timm transformers tokenizers"
        ) from error
    return open_clip


def architecture_config(name: str, architecture: str) -> dict[str, Any]:
    """Return a copy of an architecture's ``model_cfg``.

    Raises:
        OpenClipSourceError: open_clip has no such architecture.
    """
    open_clip = import_open_clip()
    config: dict[str, Any] | None = None
    if architecture in open_clip.list_models():
        config = open_clip.get_model_config(architecture)
    if config is None:
        error = unknown_name("open_clip architecture", architecture, open_clip.list_models())
        raise OpenClipSourceError(f"model source {name!r}: {error}")
    return config


def tag_settings(name: str, architecture: str, tag: str) -> TagSettings:
    """Return what open_clip records of ``tag``.

    Raises:
        OpenClipSourceError: the architecture has no such tag; the text names those that it has.
    """
    open_clip = import_open_clip()
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if tag not in tags:
        existing = f"its tags: {', '.join(tags)}"
        if not tags:
            pretrained = sorted({model for model, _ in open_clip.list_pretrained()})
            hint = str(unknown_name("architecture", architecture, pretrained)).partition(" Existing: ")[0]
            existing = f"open_clip has no pretrained weights of that architecture ({hint})"
        raise OpenClipSourceError(f"model source {name!r}: no tag {tag!r} of architecture {architecture!r}; {existing}")
    settings = open_clip.get_pretrained_cfg(architecture, tag)
    # open_clip writes OWNER/NAME/ or OWNER/NAME/FILE.
    repository, file_name = posixpath.split(settings.get("hf_hub", ""))
    if not repository:
        raise OpenClipSourceError(f"open_clip {open_clip.__version__} knows no repository of {name!r} on the model hub")
    return TagSettings(repository, file_name or None, bool(settings.get("quick_gelu")), _preprocessing(settings))


def known_preprocessing(architecture: str) -> tuple[Mapping[str, Any], str]:
    """Return what weights of an architecture expect of an image, and what of that is an assumption.

    If all published weights of the architecture agree, it is theirs; else it is open_clip's default.
    """
    open_clip = import_open_clip()
    settings = [
        _preprocessing(open_clip.get_pretrained_cfg(architecture, tag))
        for tag in open_clip.list_pretrained_tags_by_model(architecture)
    ]
    if settings and all(one == settings[0] for one in settings):
        return settings[0], ""
    return {}, (
        f"published weights of {architecture} differ in mean and std, and a file of weights does not say which it "
        "needs; OpenAI's are assumed (a local-dir: folder with an open_clip_config.json says it)"
        if settings
        else f"nothing says which mean and std {architecture} needs; OpenAI's are assumed"
    )


def recognise(digest: str, repository: str | None) -> KnownWeights | None:
    """Return the published weights with this SHA-256, or of this repository of the hub; None if there are none."""
    from open_clip.pretrained import _PRETRAINED

    for architecture, tags in _PRETRAINED.items():
        for tag, settings in tags.items():
            published = _published_digest(settings.get("url", ""))
            same_repository = repository is not None and settings.get("hf_hub", "").rstrip("/") == repository
            if same_repository or (published and digest.startswith(published)):
                return KnownWeights(architecture, tag, bool(settings.get("quick_gelu")), _preprocessing(settings))
    return None


def _published_digest(url: str) -> str:
    """Return the SHA-256, or the beginning of it, that open_clip itself reads from an address of weights."""
    if _OPENAI_HOST in url:
        return url.split("/")[-2]
    if _OPEN_CLIP_HOST in url:
        ending = Path(url).stem.rpartition("-")[2]
        return ending if len(ending) == _SHORT_DIGEST else ""
    return ""


def shipped_config(architecture: str) -> dict[str, Any] | None:
    """Return an architecture's configuration as open_clip ships it, without importing open_clip; None if unknown."""
    spec = find_spec("open_clip")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(location) / "model_configs" / f"{architecture}.json"
        if path.is_file():
            config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return config
    return None


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's text, or its kind if it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def _preprocessing(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: settings[key] for key in PREPROCESSING_KEYS if key in settings}
