"""Which activation a file of weights needs: it does not stand in the file, and the wrong one gives wrong numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from scc_core.machine.file_digest import sha256_of
from scc_core.models.hub.cache import repository_of
from scc_core.models.open_clip.blueprint import Blueprint
from scc_core.models.open_clip.tables import QUICK_GELU_ENDING, example_of, has_sibling, preprocessing_of, recognise
from scc_core.models.open_clip.text_tower import published_text_tower
from scc_core.models.open_clip.weights_file import WeightsFile
from scc_core.models.said_beside import SaidBeside
from scc_core.models.sources import CHECKPOINT_PREFIX, CheckpointSource, OpenClipSourceError

_SHOWN = {True: "QuickGELU", False: "GELU"}


@dataclass(frozen=True)
class Named:
    """What the user says of a file of weights.

    Attributes:
        by_name: whether the model's name alone, without any other file, gives QuickGELU.
        said: what stands in the file beside the weights.
        base: the model that they were tuned from; None if nobody says it.
    """

    by_name: bool
    said: SaidBeside
    base: str | None


class _Known(NamedTuple):
    """What the content of a file tells: the activation, why, and what it expects of an image."""

    quick_gelu: bool
    reason: str
    preprocessing: Mapping[str, Any]


def with_activation(blueprint: Blueprint, source: CheckpointSource, named: Named, weights: WeightsFile) -> Blueprint:
    """Return the blueprint of a checkpoint with its activation decided.

    What the user names is taken, be it the activation or the base model; else what the file itself tells. Where
    neither does and open_clip has the architecture with either activation, nothing is guessed. What a file tells of
    mean and std is taken where they would have to be assumed.

    Args:
        blueprint: with the activation of the base model, or else of the architecture.
        source: what the name says.
        named: what the user says.
        weights: the content of the file.

    Raises:
        OpenClipSourceError: the user names two activations, or nobody knows it.
    """
    explicit, known = _explicit(source, named), _known(blueprint, weights)
    if explicit is not None:
        quick_gelu = explicit
    elif named.base is None and known is not None:
        quick_gelu = known.quick_gelu
    elif named.base is not None or not has_sibling(source.architecture) or _is_published(blueprint):
        quick_gelu = blueprint.quick_gelu
    else:
        raise _unknown(blueprint, source)
    remarks = (*blueprint.remarks, *_remarks(blueprint, quick_gelu, named, known, is_named=explicit is not None))
    decided = blueprint.decided
    # Stored results whose name says it all keep their key.
    if quick_gelu != (named.by_name and source.activation is None):
        decided += (f"activation:{'quickgelu' if quick_gelu else 'gelu'}",)
    config = {**blueprint.config, "quick_gelu": quick_gelu}
    found = replace(blueprint, config=config, decided=decided, remarks=remarks)
    return _with_preprocessing(found, known.preprocessing) if known is not None and blueprint.assumed else found


def _remarks(
    blueprint: Blueprint, quick_gelu: bool, named: Named, known: _Known | None, *, is_named: bool
) -> Iterator[str]:
    """Yield what the user must know of how the activation was decided, and what contradicts it."""
    built = f"it is built with {_SHOWN[quick_gelu]}"
    if known is not None and known.quick_gelu != quick_gelu:
        yield f"{built} as it is named, but {known.reason}"
    elif known is not None and not is_named and named.base is None:
        yield f"{built}: {known.reason}"
    if named.base is not None and quick_gelu != blueprint.quick_gelu:
        yield f"{built} as it is named, but its base {named.base} is not"


def _with_preprocessing(blueprint: Blueprint, preprocessing: Mapping[str, Any]) -> Blueprint:
    lines = tuple(f"{key}:{list(preprocessing[key])}" for key in ("mean", "std") if key in preprocessing)
    return replace(blueprint, preprocessing=preprocessing, decided=blueprint.decided + lines, assumed="")


def _explicit(source: CheckpointSource, named: Named) -> bool | None:
    """Return whether the user names QuickGELU; None if no activation is named."""
    beside = named.said.activation
    by_ending = source.activation or ("quickgelu" if named.by_name and source.base is None else None)
    if by_ending is not None and beside is not None and by_ending != beside:
        raise OpenClipSourceError(
            f"{str(source.path)!r} has {by_ending} as its name says, {beside} as {named.said.path} says"
        )
    chosen = by_ending or beside
    return None if chosen is None else chosen == "quickgelu"


def _known(blueprint: Blueprint, weights: WeightsFile) -> _Known | None:
    """Return the activation that the content of the file tells; None if it tells none."""
    if weights.openai_archive:
        # OpenAI's mean and std are what open_clip takes where nothing is said.
        return _Known(True, "it is an archive of OpenAI's own CLIP, which has QuickGELU", {})
    # What is published is held to its own record instead, with the name that it needs.
    if weights.image_tower_alone or _is_published(blueprint):
        return None
    tower = published_text_tower(blueprint.weights, blueprint.config)
    if tower is None:
        return None
    reason = f"its text tower is that of {tower.name}, which has {_SHOWN[tower.quick_gelu]}"
    return _Known(tower.quick_gelu, reason, preprocessing_of(tower.name))


def _is_published(blueprint: Blueprint) -> bool:
    return recognise(sha256_of(blueprint.weights), repository_of(blueprint.weights)) is not None


def _unknown(blueprint: Blueprint, source: CheckpointSource) -> OpenClipSourceError:
    def form(origin: str) -> str:
        return f"{CHECKPOINT_PREFIX}{origin}:{source.path}"

    architecture = source.architecture
    return OpenClipSourceError(
        f"model source {blueprint.name!r}: nothing says whether its weights need QuickGELU or GELU: they are no "
        "published file, and no published weights on this machine have their text tower; name the activation, "
        f"{form(architecture + QUICK_GELU_ENDING)} or {form(architecture + '-gelu')}, or the weights that they were "
        f"tuned from, such as {form(example_of(architecture))}"
    )
