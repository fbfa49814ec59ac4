"""Check that weights, configuration and card agree, since a contradiction would change results silently."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from scc_core.errors import SccBenchWarning
from scc_core.machine.file_digest import sha256_of
from scc_core.models.base import ModelCard
from scc_core.models.hub.cache import repository_of
from scc_core.models.open_clip.blueprint import Blueprint
from scc_core.models.open_clip.tables import QUICK_GELU_ENDING, recognise
from scc_core.models.open_clip.text_tower import published_text_tower
from scc_core.models.sources import (
    CHECKPOINT_PREFIX,
    HUB_PREFIX,
    LOCAL_PREFIX,
    OpenClipSourceError,
)

_TOLERANCE = 1e-4
_NATIVE = {"interpolation": "bicubic", "resize_mode": "shortest"}
"""What the preprocessing ``native`` does to an image of any size."""


def check_declared(blueprint: Blueprint, card: ModelCard) -> None:
    """Compare what a model's configuration says with its card, and with what is published of the same weights.

    Nothing is loaded, so that a mismatch is told before a run begins.

    Raises:
        OpenClipSourceError: they contradict each other.
    """
    problems = list(_against_card(blueprint, card))
    # Only the user can have put weights beside a configuration that is not theirs.
    if blueprint.name.startswith((LOCAL_PREFIX, CHECKPOINT_PREFIX)) and not card.demonstration:
        problems += _against_published(blueprint)
    if blueprint.own_config is not None and blueprint.base is None and card.activation is None:
        problems += _against_text_tower(blueprint, card)
    if problems:
        raise OpenClipSourceError(f"model {blueprint.name!r} contradicts what is known of it: {'; '.join(problems)}")
    for remark in (blueprint.assumed, *blueprint.remarks):
        if remark:
            warnings.warn(f"model {blueprint.name!r}: {remark}", SccBenchWarning, stacklevel=2)
    other = [
        f"{key} {blueprint.preprocessing[key]!r} (here: {value!r})"
        for key, value in _NATIVE.items()
        if blueprint.preprocessing.get(key, value) != value
    ]
    if other:
        warnings.warn(
            f"model {blueprint.name!r} was trained on images prepared with {' and '.join(other)}; images that are not "
            "square or not of its size differ a little from that",
            SccBenchWarning,
            stacklevel=2,
        )


def _against_card(blueprint: Blueprint, card: ModelCard) -> Iterator[str]:
    where = "the card" if card.name == blueprint.name else f"the card of {card.name}"
    declared: list[tuple[str, Any, Any]] = [
        ("image size", blueprint.image_size, card.image_size or None),
        ("context length", blueprint.context_length, card.context_length),
        ("activation", "quickgelu" if blueprint.quick_gelu else "gelu", card.activation),
        ("mean", blueprint.preprocessing.get("mean"), card.mean),
        ("std", blueprint.preprocessing.get("std"), card.std),
    ]
    for what, found, expected in declared:
        if found is not None and expected is not None and not _same(found, expected):
            yield f"its configuration says {what} {_shown(found)}, {where} says {_shown(expected)}"


def _against_published(blueprint: Blueprint) -> Iterator[str]:
    known = recognise(sha256_of(blueprint.weights), repository_of(blueprint.weights))
    if known is None:
        return
    published = f"the weights are {known.name}"
    if known.quick_gelu and not blueprint.quick_gelu:
        remedy = 'set "quick_gelu": true in its model_cfg'
        if blueprint.name.startswith(CHECKPOINT_PREFIX):
            remedy = f"name the architecture {blueprint.model_name}{QUICK_GELU_ENDING}"
        yield f"{published}, trained with QuickGELU, but the configuration builds GELU; {remedy}"
    if blueprint.quick_gelu and not known.quick_gelu:
        remedy = 'take "quick_gelu" out of its model_cfg'
        if blueprint.name.startswith(CHECKPOINT_PREFIX):
            remedy = f"name the architecture {blueprint.model_name.removesuffix(QUICK_GELU_ENDING)}"
        yield f"{published}, trained with GELU, but the configuration builds QuickGELU; {remedy}"
    for what in ("mean", "std"):
        found, expected = blueprint.preprocessing.get(what), known.preprocessing.get(what)
        if found is not None and expected is not None and not _same(found, expected):
            yield f"{published}, which expect {what} {_shown(expected)}, but the configuration says {_shown(found)}"


def _against_text_tower(blueprint: Blueprint, card: ModelCard) -> Iterator[str]:
    """Compare the activation of a model's own configuration with that of the published weights of its text tower.

    Only a folder can be mended by its user, and only where the configuration is silent has nobody meant it.
    """
    if card.demonstration or blueprint.name.startswith(CHECKPOINT_PREFIX):
        return
    tower = published_text_tower(blueprint.weights, blueprint.config)
    if tower is None or tower.quick_gelu == blueprint.quick_gelu:
        return
    needed, built = ("QuickGELU", "GELU") if tower.quick_gelu else ("GELU", "QuickGELU")
    found = f"its text tower is that of {tower.name}, which has {needed}, but the configuration builds {built}"
    if blueprint.name.startswith(LOCAL_PREFIX) and "quick_gelu" not in blueprint.config:
        yield f'{found}; set "quick_gelu" in its model_cfg: true for QuickGELU, false if GELU is meant'
    else:
        warnings.warn(f"model {blueprint.name!r}: {found}", SccBenchWarning, stacklevel=3)


def check_built(module: nn.Module, blueprint: Blueprint) -> None:
    """Compare what was built with what the blueprint asked for.

    Raises:
        OpenClipSourceError: the activation, the preprocessing or the input's size is another.
    """
    built: Any = module
    settings: Mapping[str, Any] = built.visual.preprocess_cfg
    problems = [
        f"{key} {_shown(settings[key])} was built, the weights need {_shown(blueprint.preprocessing[key])}"
        for key in ("mean", "std")
        if key in blueprint.preprocessing and not _same(settings[key], blueprint.preprocessing[key])
    ]
    problems += _activation_problems(module, blueprint)
    size: int | Sequence[int] = settings["size"]
    height, width = (size, size) if isinstance(size, int) else size
    if height != width:
        problems.append(f"its input is {height} x {width} pixels, not square")
    patches = getattr(getattr(built.visual, "trunk", None), "patch_embed", None)
    patch_size = getattr(patches, "img_size", None)
    # open_clip does not pass the image size on to timm.
    if patch_size is not None and tuple(patch_size) != (height, width):
        problems.append(f"its configuration says {height} px, but timm's image tower takes {patch_size[0]} px")
    if problems:
        raise OpenClipSourceError(f"model {blueprint.name!r} cannot be used: {'; '.join(problems)}")


def _activation_problems(module: nn.Module, blueprint: Blueprint) -> Iterator[str]:
    from open_clip.transformer import CustomResidualAttentionBlock, QuickGELU, ResidualAttentionBlock

    kinds = {
        isinstance(layer, QuickGELU)
        for block in module.modules()
        if isinstance(block, ResidualAttentionBlock | CustomResidualAttentionBlock)
        for layer in block.modules()
        if isinstance(layer, QuickGELU | nn.GELU)
    }
    if kinds and kinds != {blueprint.quick_gelu}:
        wanted, found = ("QuickGELU", "GELU") if blueprint.quick_gelu else ("GELU", "QuickGELU")
        yield f"the weights need {wanted}, open_clip built {found}"


def card_of_copy(name: str, cards: Mapping[str, ModelCard]) -> ModelCard | None:
    """Return the card that a folder named ``local-dir:`` must agree with: a copy of a carded repository.

    A copy is known by its place in a hub cache, or by the repository's name.
    """
    if not name.startswith(LOCAL_PREFIX):
        return None
    folder = Path(name.removeprefix(LOCAL_PREFIX)).expanduser().absolute()
    repository = repository_of(folder)
    for card in cards.values():
        if card.name.startswith(HUB_PREFIX):
            published = card.name.removeprefix(HUB_PREFIX)
            if published == repository or published.partition("/")[2] == folder.name:
                return card
    return None


def _same(found: Any, expected: Any) -> bool:
    if isinstance(found, int | str) or isinstance(expected, int | str):
        return bool(found == expected)
    if len(found) != len(expected):
        return False
    return all(abs(one - other) <= _TOLERANCE for one, other in zip(found, expected, strict=True))


def _shown(value: Any) -> str:
    return ", ".join(f"{one:g}" for one in value) if isinstance(value, list | tuple) else str(value)
