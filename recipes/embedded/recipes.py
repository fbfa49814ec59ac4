"""Training recipes: data in ``recipes/*.json``, read once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from scc_core.errors import unknown_name

_FOLDER = Path(__file__).parent / "recipes"


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a demonstration model becomes, besides the seed.

    Attributes:
        name: the model's name.
        open_clip_config: the content of the folder's ``open_clip_config.json``.
        bert_config: the text tower's ``config.json`` without its vocabulary size; None for CLIP's text tower.
        mixture: share of each kind of training image.
        finding_share: how often a phantom's caption names the finding and not the kind of image alone.
        num_images: images seen in training, repetitions counted.
        batch_size: images per step.
        num_captions: captions per step; every image is compared with each.
        learning_rate: AdamW's, at its peak.
        weight_decay: AdamW's.
        summary: one sentence on the architecture, for the card.
        licence_note: whose the weights and the vocabulary are, for the card.
        training_data: what the images show, for the card.
        selection_note: what was chosen after looking at test sets, for the card.
        own_datasets: the test sets that the model is meant for.
    """

    name: str
    open_clip_config: Mapping[str, Any]
    bert_config: Mapping[str, Any] | None
    mixture: Mapping[str, float]
    finding_share: float
    num_images: int
    batch_size: int
    num_captions: int
    learning_rate: float
    weight_decay: float
    summary: str
    licence_note: str
    training_data: str
    selection_note: str
    own_datasets: tuple[str, ...]


def recipe_names() -> tuple[str, ...]:
    """Return the names of all recipes, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.json")))


@cache
def load_recipe(name: str) -> Recipe:
    """Read a recipe.

    Raises:
        UserError: there is no recipe of that name.
    """
    if name not in recipe_names():
        raise unknown_name("embedded model", name, recipe_names())
    content = json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return Recipe(name=name, **{**content, "own_datasets": tuple(content["own_datasets"])})
