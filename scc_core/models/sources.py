"""The sources of open_clip models, and the names that grids write for them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from scc_core.embedded.sources import EMBEDDED_MODELS
from scc_core.errors import UserError

LOCAL_PREFIX = "local-dir:"
HUB_PREFIX = "hf-hub:"
CHECKPOINT_PREFIX = "checkpoint:"
DEFAULT_REVISION = "main"
CHECKPOINT_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".tar")
Activation = Literal["quickgelu", "gelu"]
"""Of open_clip's own transformers."""
ACTIVATIONS: tuple[Activation, ...] = ("quickgelu", "gelu")
_GELU_ENDING, _QUICK_GELU_ENDING = "-gelu", "-quickgelu"
FORMS = (
    f"{LOCAL_PREFIX}PATH, {HUB_PREFIX}OWNER/NAME, TAG/ARCHITECTURE such as openai/ViT-B-32, "
    f"and {CHECKPOINT_PREFIX}ARCHITECTURE:PATH or {CHECKPOINT_PREFIX}BASE-MODEL:PATH"
)


class OpenClipSourceError(UserError):
    """A model source that cannot be loaded; the text says what was given, what exists and what to do."""


@dataclass(frozen=True)
class TagSource:
    """Pretrained weights that open_clip knows by ``tag`` and ``architecture``."""

    tag: str
    architecture: str


@dataclass(frozen=True)
class HubSource:
    """A repository of the model hub in open_clip's layout; ``revision`` is a branch, a tag or a commit."""

    repository: str
    revision: str = DEFAULT_REVISION


@dataclass(frozen=True)
class FolderSource:
    """A folder in open_clip's ``local-dir:`` layout."""

    folder: Path


@dataclass(frozen=True)
class CheckpointSource:
    """A file of weights: for one of open_clip's architectures, or tuned from a model that has a name of its own.

    Attributes:
        architecture: one of open_clip's; ``base`` itself where its name does not give any.
        path: the file.
        base: the model that the weights were tuned from; None if the name does not say it.
        activation: what the ending ``-gelu`` of an architecture says; open_clip knows ``-quickgelu`` by itself.
    """

    architecture: str
    path: Path
    base: str | None = None
    activation: Activation | None = None


Source = TagSource | HubSource | FolderSource | CheckpointSource


def is_open_clip_name(name: str) -> bool:
    """Tell whether ``name`` has one of the forms that :func:`parse_source` takes apart."""
    return name.startswith((LOCAL_PREFIX, HUB_PREFIX, CHECKPOINT_PREFIX)) or "/" in name


def parse_source(name: str) -> Source:
    """Return the source that a model's name stands for; only the name is looked at.

    Raises:
        OpenClipSourceError: the name has none of the known forms.
    """
    if name.startswith(LOCAL_PREFIX):
        return FolderSource(Path(name.removeprefix(LOCAL_PREFIX)).expanduser())
    if name.startswith(HUB_PREFIX):
        repository, _, revision = name.removeprefix(HUB_PREFIX).partition("@")
        if repository.count("/") != 1 or not all(repository.split("/")):
            raise OpenClipSourceError(
                f"model source {name!r} names no repository; write {HUB_PREFIX}OWNER/NAME, with @REVISION if wanted"
            )
        return HubSource(repository, revision or DEFAULT_REVISION)
    if name.startswith(CHECKPOINT_PREFIX):
        return _parse_checkpoint(name)
    tag, separator, architecture = name.partition("/")
    if not separator:
        raise OpenClipSourceError(f"model source {name!r} is none of {FORMS}")
    return TagSource(tag, architecture)


def _parse_checkpoint(name: str) -> CheckpointSource:
    content = name.removeprefix(CHECKPOINT_PREFIX)
    # The name of a base model may hold colons itself.
    nested = content.startswith((LOCAL_PREFIX, HUB_PREFIX, CHECKPOINT_PREFIX))
    origin, _, file = content.rpartition(":") if nested else content.partition(":")
    if not origin or not file.endswith(CHECKPOINT_SUFFIXES):
        raise OpenClipSourceError(
            f"model source {name!r}: write {CHECKPOINT_PREFIX}ARCHITECTURE:PATH or {CHECKPOINT_PREFIX}BASE-MODEL:PATH, "
            f"with a file that ends in {', '.join(CHECKPOINT_SUFFIXES)}"
        )
    path = Path(file).expanduser()
    if is_open_clip_name(origin) or origin in EMBEDDED_MODELS:
        return CheckpointSource(origin if nested else origin.rpartition("/")[2], path, base=origin)
    if origin.endswith(_GELU_ENDING) and not origin.endswith(_QUICK_GELU_ENDING):
        return CheckpointSource(origin.removesuffix(_GELU_ENDING), path, activation="gelu")
    return CheckpointSource(origin, path)
