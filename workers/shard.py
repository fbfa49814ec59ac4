"""The unit of work that travels to an actor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scc_core.components.component import Component
from scc_core.evaluation.threat import Threat
from scc_core.identity import DatasetSpec, ModelSpec

if TYPE_CHECKING:
    from scc_core.defenses import Defense


@dataclass(frozen=True)
class Shard:
    """A run of blocks of one attack group.

    Attributes:
        model: with the weights that the plan was made for.
        dataset: with the version that the plan was made for.
        precision: of the image tower.
        threat: what is done to the images.
        defenses: what to measure, by the key of its cell.
        blocks: numbers of the blocks.
        max_batch_size: images computed together at most, set after a worker was killed for its memory; None for no
            such bound.
    """

    model: ModelSpec
    dataset: DatasetSpec
    precision: str
    threat: Threat
    defenses: Mapping[str, Component[Defense]]
    blocks: tuple[int, ...]
    max_batch_size: int | None = None
