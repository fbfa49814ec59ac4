"""The cards of published models: data files, read and validated once."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

from scc_core.components.choices import FAMILIES
from scc_core.models.base import ModelCard
from scc_core.models.sources import ACTIVATIONS, is_open_clip_name

_FOLDER = Path(__file__).parent / "card_files"
_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "image_size": int,
    "context_length": int,
    "mean": list,
    "std": list,
    "notes": list,
}
_REQUIRED = ("name", "summary", "architecture", "licence", "source", "family")


@cache
def published_cards() -> Mapping[str, ModelCard]:
    """Return the cards of the published models by name, in the order of the files.

    Raises:
        ValueError: a file is no list of cards; the text names the file, the card and the key.
    """
    cards: dict[str, ModelCard] = {}
    for path in sorted(_FOLDER.glob("*.toml")):
        for card in read_cards(path):
            if card.name in cards:
                raise ValueError(f"{path.name}: model {card.name!r} has two cards")
            cards[card.name] = card
    return cards


def read_cards(path: Path) -> list[ModelCard]:
    """Return the cards of one file: a list of tables ``[[model]]``, and ``[defaults]`` that each of them begins with.

    Raises:
        ValueError: see :func:`published_cards`.
    """
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    if set(content) - {"defaults", "model"} or not content.get("model"):
        raise ValueError(f"{path.name}: a file of cards holds [[model]] tables and [defaults], not {list(content)}")
    return [_card(path, {**content.get("defaults", {}), **table}) for table in content["model"]]


def _card(path: Path, table: dict[str, Any]) -> ModelCard:
    name = table.get("name", "without a name")

    def wrong(reason: str) -> ValueError:
        return ValueError(f"{path.name}: model {name!r}: {reason}")

    unknown = set(table) - {field.name for field in fields(ModelCard)}
    if unknown:
        raise wrong(f"unknown keys {', '.join(sorted(unknown))}")
    for key in _REQUIRED:
        if not table.get(key):
            raise wrong(f"{key} is missing")
    for key, value in table.items():
        if not isinstance(value, _KINDS.get(key, str)):
            raise wrong(f"{key} = {value!r} has the wrong type")
    if table["family"] not in FAMILIES:
        raise wrong(f"family {table['family']!r} is none of {', '.join(FAMILIES)}")
    if table.get("activation", "gelu") not in ACTIVATIONS:
        raise wrong(f"activation {table['activation']!r} is none of {', '.join(ACTIVATIONS)}")
    if not is_open_clip_name(table["name"]):
        raise wrong("the name is none that a grid can write")
    for key in ("mean", "std"):
        channels = table.get(key, [0.5, 0.5, 0.5])
        if len(channels) != 3 or not all(isinstance(value, float) and 0 <= value <= 1 for value in channels):
            raise wrong(f"{key} is no list of three numbers between 0 and 1")
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    return ModelCard(**{"image_size": 0, **values})
