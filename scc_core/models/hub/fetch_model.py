"""Bring a model's files onto this machine, ahead of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from scc_core.errors import NotFetchedError
from scc_core.models.catalog import get_model
from scc_core.models.hub.cache import (
    CONFIG_NAME,
    TEXT_CONFIG_NAME,
    TOKENIZER_NAMES,
    VOCABULARY_NAMES,
    weights_alternatives,
)
from scc_core.models.hub.download import Report, download_file, list_files
from scc_core.models.open_clip.blueprint import read_config, some
from scc_core.models.open_clip.locate import named_base, needs_files_of
from scc_core.models.open_clip.tables import architecture_config, tag_settings
from scc_core.models.said_beside import said_beside_checkpoint
from scc_core.models.sources import (
    DEFAULT_REVISION,
    CheckpointSource,
    FolderSource,
    HubSource,
    OpenClipSourceError,
    TagSource,
    is_open_clip_name,
    parse_source,
)


def fetch_model(name: str, report: Report) -> str:
    """Download what a model lacks on this machine, verify it, and return the model's digest.

    Files that are here already are compared with the hub's current ones and downloaded again only if those differ.

    Args:
        name: as grids write it.
        report: is told, line by line, what is downloaded.

    Raises:
        UserError: no such model, no network, no access, or what arrived is damaged or contradicts its card.
    """
    entry = get_model(name)
    source = parse_source(name) if is_open_clip_name(name) else None
    match source:
        case TagSource():
            settings = tag_settings(name, source.architecture, source.tag)
            config = architecture_config(name, source.architecture)
            _fetch_weights(settings.repository, settings.file_name, DEFAULT_REVISION, report)
            _fetch_text(config["text_cfg"], report, None)
        case HubSource():
            path = download_file(source.repository, CONFIG_NAME, source.revision, report)
            _fetch_weights(source.repository, None, source.revision, report)
            _fetch_text(read_config(path)["model_cfg"]["text_cfg"], report, None)
        case FolderSource():
            if (source.folder / CONFIG_NAME).is_file():
                config = read_config(source.folder / CONFIG_NAME)["model_cfg"]
                _fetch_text(config["text_cfg"], report, source.folder)
        case CheckpointSource():
            base = named_base(source, said_beside_checkpoint(source.path))
            if base is None:
                _fetch_text(architecture_config(name, source.architecture)["text_cfg"], report, None)
            elif needs_files_of(base, source.path):
                fetch_model(base, report)
    return entry.digest()


def fetch_missing(names: Iterable[str], report: Report) -> None:
    """Fetch those of ``names`` that this machine lacks; those that it has are not compared with the hub's.

    Raises:
        UserError: see :func:`fetch_model`.
    """
    for name in dict.fromkeys(names):
        try:
            get_model(name).digest()
        except NotFetchedError:
            report(f"fetching model {name}")
            fetch_model(name, report)


def _fetch_weights(repository: str, file_name: str | None, revision: str, report: Report) -> None:
    existing = list_files(repository, revision)
    wanted = weights_alternatives(file_name)
    chosen = next((name for name in wanted if name in existing), None)
    if chosen is None:
        raise OpenClipSourceError(
            f"{repository} on the hub has none of {', '.join(wanted)}; it has {some(sorted(existing)) or 'no file'}"
        )
    download_file(repository, chosen, revision, report)


def _fetch_text(text: Mapping[str, Any], report: Report, folder: Path | None) -> None:
    """Fetch what a text tower from transformers needs and neither ``folder`` nor a path of the config has."""
    tower, tokenizer = text.get("hf_model_name"), text.get("hf_tokenizer_name")
    if tower and not _has(TEXT_CONFIG_NAME, folder, Path(tower)):
        download_file(tower, TEXT_CONFIG_NAME, DEFAULT_REVISION, report)
    if tokenizer and not any(_has(name, folder, Path(tokenizer)) for name in VOCABULARY_NAMES):
        existing = list_files(tokenizer, DEFAULT_REVISION)
        for file_name in TOKENIZER_NAMES:
            if file_name in existing:
                download_file(tokenizer, file_name, DEFAULT_REVISION, report)


def _has(name: str, *places: Path | None) -> bool:
    return any(place is not None and (place / name).is_file() for place in places)
