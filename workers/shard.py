"""The unit of work that travels to an actor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class ComponentRequest:
    """An attack or a defense by name, with every parameter resolved."""

    name: str
    parameters: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class AdaptiveRequest:
    """How an adaptive attack passes through the defense.

    Attributes:
        gradients: ``bpda`` or ``unrolled``.
        eot_draws: draws of the defense's randomness per step.
    """

    gradients: Literal["none", "bpda", "unrolled"]
    eot_draws: int


@dataclass(frozen=True)
class Shard:
    """A run of blocks of one attack group.

    Attributes:
        model: name of the model.
        model_digest: SHA-256 of the weights that the plan was made for.
        dataset: name of the dataset.
        dataset_version: version that the plan was made for.
        preprocessing: ``native`` or ``paper``.
        precision: of the image tower.
        attack: None for clean accuracy.
        epsilon: L-inf radius in [0, 1] pixel units.
        seed: the cells' seed.
        adaptive: None for threat model ``transfer``; otherwise how the attack passes through its one defense.
        max_batch_size: images at a time at most, set after a worker was killed for its memory; None leaves it to the
            worker.
        defenses: what to measure, by the key of its cell.
        blocks: numbers of the blocks.
    """

    model: str
    model_digest: str
    dataset: str
    dataset_version: str
    preprocessing: str
    precision: str
    attack: ComponentRequest | None
    epsilon: float
    seed: int
    defenses: Mapping[str, ComponentRequest]
    blocks: tuple[int, ...]
    adaptive: AdaptiveRequest | None = None
    max_batch_size: int | None = None
