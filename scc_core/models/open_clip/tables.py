"""What open_clip itself knows: architectures, pretrained tags and what their weights expect."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from scc_core.errors import unknown_name
from scc_core.models.sources import OpenClipSourceError

QUICK_GELU_ENDING = "-quickgelu"
"""What open_clip's names of architectures with QuickGELU end with."""
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


class PublishedWeights(NamedTuple):
    """Weights that open_clip records.

    Attributes:
        architecture: theirs, as open_clip names it.
        tag: theirs.
        quick_gelu: whether they were trained with QuickGELU.
        preprocessing: what they expect of an image.
        config: open_clip's ``model_cfg`` of the architecture.
        repository: ``OWNER/NAME`` on the model hub; empty if it has none.
        file_name: of the weights there; None for open_clip's usual names.
        sha256: digest of the file that was first published, or its first digits; empty if it is not known.
        download_name: the name of that file.
    """

    architecture: str
    tag: str
    quick_gelu: bool
    preprocessing: Mapping[str, Any]
    config: Mapping[str, Any]
    repository: str
    file_name: str | None
    sha256: str
    download_name: str

    @property
    def name(self) -> str:
        """As grids write it."""
        return f"{self.tag}/{self.architecture}"


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


def recognise(digest: str, repository: str | None) -> PublishedWeights | None:
    """Return the published weights with this SHA-256, or of this repository of the hub; None if there are none."""
    for published in published_weights():
        same_repository = repository is not None and published.repository == repository and not published.file_name
        if same_repository or (published.sha256 and digest.startswith(published.sha256)):
            return published
    return None


def published_weights() -> Iterator[PublishedWeights]:
    """Yield all weights that open_clip records, in its order."""
    from open_clip.pretrained import _PRETRAINED

    open_clip = import_open_clip()
    for architecture, tags in _PRETRAINED.items():
        config = open_clip.get_model_config(architecture)
        for tag, settings in tags.items():
            # open_clip writes OWNER/NAME/ or OWNER/NAME/FILE.
            repository, file_name = posixpath.split(settings.get("hf_hub", ""))
            url = settings.get("url", "")
            yield PublishedWeights(
                architecture,
                tag,
                bool(settings.get("quick_gelu") or config.get("quick_gelu")),
                _preprocessing(settings),
                config,
                repository,
                file_name or None,
                _published_digest(url),
                posixpath.basename(url),
            )


def preprocessing_of(name: str) -> Mapping[str, Any]:
    """Return what published weights expect of an image; nothing if ``name`` is none of open_clip's."""
    return next((one.preprocessing for one in published_weights() if one.name == name), {})


def has_sibling(architecture: str) -> bool:
    """Tell whether open_clip has an architecture with either activation, under two names."""
    return architecture + QUICK_GELU_ENDING in import_open_clip().list_models()


def example_of(architecture: str) -> str:
    """Return the name of published weights of an architecture, as an example; of OpenAI's usual one if it has none."""
    tags = import_open_clip().list_pretrained_tags_by_model(architecture)
    return f"{tags[0]}/{architecture}" if tags else "openai/ViT-B-32"


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
