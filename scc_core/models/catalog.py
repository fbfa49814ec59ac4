"""Names to models: the embedded ones, the published ones with a card, and every name that open_clip understands."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from scc_core.components.choices import FAMILIES
from scc_core.components.code import code_of
from scc_core.embedded.sources import embedded_model_source
from scc_core.errors import UserError
from scc_core.models.base import ModelCard
from scc_core.models.cards import published_cards
from scc_core.models.hub.cache import CONFIG_NAME
from scc_core.models.open_clip.blueprint import read_config
from scc_core.models.open_clip.consistency import card_of_copy
from scc_core.models.open_clip.model import OpenClipEntry
from scc_core.models.open_clip.tables import shipped_config
from scc_core.models.registry import ModelEntry, models
from scc_core.models.said_beside import said_beside_checkpoint, said_beside_folder
from scc_core.models.sources import (
    FORMS,
    HUB_PREFIX,
    CheckpointSource,
    FolderSource,
    Source,
    TagSource,
    is_open_clip_name,
    parse_source,
)
from scc_core.models.user_models import UserEntry, as_entry

_DEMONSTRATION_NOTES = (
    "Trained by this project on rendered images to exercise the system; it stands for no published number.",
)
_EMBEDDED_CARDS = (
    ModelCard(
        name="demo-clip",
        summary="small CLIP (timm ResNet and text transformer) for demonstration",
        architecture="open_clip CLIP, 64 px",
        image_size=64,
        licence="Apache-2.0",
        source="ships with this package",
        demonstration=True,
        notes=_DEMONSTRATION_NOTES,
        context_length=24,
    ),
    ModelCard(
        name="demo-biomedclip",
        summary="small BiomedCLIP (timm ViT and BERT) for demonstration; its images are phantoms",
        architecture="open_clip CustomTextCLIP, 64 px",
        image_size=64,
        licence="Apache-2.0",
        source="ships with this package",
        family="biomedical",
        demonstration=True,
        notes=_DEMONSTRATION_NOTES,
        context_length=24,
    ),
)

for _card in _EMBEDDED_CARDS:
    models.add(_card.name, OpenClipEntry(_card, embedded_model_source(_card.name)))
for _name, _card in published_cards().items():
    models.add(_name, OpenClipEntry(_card, _name))


def get_model(name: str) -> ModelEntry:
    """Return the model called ``name``: one with a card, a dotted path, or a name in one of open_clip's forms.

    Open_clip's forms are ``local-dir:PATH``, ``hf-hub:OWNER/NAME``, ``TAG/ARCHITECTURE``,
    ``checkpoint:ARCHITECTURE:PATH`` and ``checkpoint:BASE-MODEL:PATH``. Nothing is downloaded and no weights are read.

    Raises:
        UserError: no such model; the text names what exists.
    """
    if is_open_clip_name(name) and name not in published_cards():
        source = parse_source(name)
        original = card_of_copy(name, published_cards())
        return OpenClipEntry(_described(name, source, original), name, original)
    try:
        return as_entry(name, models.get(name))
    except UserError as error:
        if name in models or ":" in name:
            raise
        raise UserError(f"{error}; or {FORMS}") from None


def model_code(name: str) -> str | None:
    """Return what identifies the code of the model called ``name``; None for one of scc-bench or of open_clip.

    Raises:
        UserError: no such model, or its code cannot be identified.
    """
    entry = get_model(name)
    if is_open_clip_name(name):
        return None
    built = entry.entry if isinstance(entry, UserEntry) else entry
    return code_of(f"model {name!r}", models.get(name), models.home(name), built)


def model_digest(name: str) -> str:
    """Return the SHA-256 of the weights of the model called ``name``.

    Raises:
        UserError: no such model.
        NotFetchedError: its weights are not on this machine.
    """
    return get_model(name).digest()


def _described(name: str, source: Source, original: ModelCard | None) -> ModelCard:
    """Return a card of what can be known of a model without its weights; ``original`` is what it is a copy of."""
    published = published_cards().get(f"{HUB_PREFIX}{getattr(source, 'repository', '')}")
    if published is not None:
        # The same repository at another revision.
        return ModelCard(**{**vars(published), "name": name})
    config: dict[str, Any] = {}
    if isinstance(source, TagSource | CheckpointSource):
        config = shipped_config(source.architecture) or {}
    elif isinstance(source, FolderSource) and (source.folder / CONFIG_NAME).is_file():
        # The digest, which every use begins with, says what is wrong with a damaged configuration.
        with suppress(UserError):
            config = read_config(source.folder / CONFIG_NAME)["model_cfg"]
    image_size = config.get("vision_cfg", {}).get("image_size", 0)
    return ModelCard(
        name=name,
        summary="loaded by open_clip",
        architecture=source.architecture if isinstance(source, TagSource | CheckpointSource) else name,
        image_size=image_size if isinstance(image_size, int) else 0,
        licence="see its source",
        source=name,
        family=_told_family(source) or (original.family if original else FAMILIES[0]),
        context_length=config.get("text_cfg", {}).get("context_length"),
    )


def _told_family(source: Source) -> str | None:
    """Return the family that the user gives weights of their own, in a file beside them."""
    match source:
        case FolderSource():
            return said_beside_folder(source.folder).family
        case CheckpointSource():
            return said_beside_checkpoint(source.path).family
        case _:
            return None
