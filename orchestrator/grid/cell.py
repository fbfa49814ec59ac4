"""A cell and its key: the SHA-256 of the canonical JSON of its resolved specification.

Whatever can change a prediction is in the specification; whatever cannot (batch size, shard size, host, retries, the
number of samples) is not. Golden tests pin the keys: a change here orphans every result that was ever stored.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from orchestrator.grid.not_fetched import NOT_FETCHED

if TYPE_CHECKING:
    from scc_core.datasets import LeftOut

PROTOCOL_VERSION = 1
"""Raised whenever a change of the core changes predictions for an unchanged specification."""

NO_DEFENSE = "none"
"""The defense of the undefended model."""
CLEAN = "none"
"""The attack of clean images."""
TRANSFER = "transfer"
ADAPTIVE = "adaptive"


def canonical_json(value: object) -> str:
    """Serialise with sorted keys, no white space and no NaN, so that equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: object) -> str:
    """Return the SHA-256 of the canonical JSON of ``value`` as 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


@dataclass(frozen=True)
class ComponentSpec:
    """An attack or a defense with every parameter resolved.

    Attributes:
        name: its name in the registry, or its dotted path.
        parameters: every parameter with its value, defaults included.
        label: short text for people: the name, and the parameters that differ from their defaults.
        weights: by parameter, the SHA-256 of the weights of each further model that a parameter names.
        control: whether a defense is a trivial transformation that others must beat; not part of the key.
        randomised: whether another draw of a defense may predict otherwise; not part of the key.
    """

    name: str
    parameters: Mapping[str, object]
    label: str
    weights: Mapping[str, str] = field(default_factory=dict)
    control: bool | None = None
    randomised: bool | None = None

    def specification(self) -> dict[str, object]:
        """Return what enters the key."""
        weights = {"weights": dict(self.weights)} if self.weights else {}
        return {"name": self.name, "parameters": dict(self.parameters), **weights}


@dataclass(frozen=True)
class ModelSpec:
    """A model as the grid names it, with the SHA-256 of its weights; what its card says is not part of the key."""

    name: str
    digest: str
    demonstration: bool = False
    family: str | None = None


@dataclass(frozen=True)
class DatasetSpec:
    """A dataset with everything that fixes its samples and prompts.

    Attributes:
        name: as the grid names it.
        version: the dataset's own version string.
        split: the split that is measured.
        order: version of the fixed, class-balanced sample order.
        preprocessing: ``native`` or ``paper``.
        prompts: SHA-256 of class names and rendered prompts.
        classes: number of classes.
        size: number of samples in all; not part of the key.
        left_out: what lies beside the samples; not part of the key, but what it takes from the samples is.
    """

    name: str
    version: str
    split: str
    order: str
    preprocessing: str
    prompts: str
    classes: int
    size: int
    demonstration: bool = False
    left_out: tuple[LeftOut, ...] = ()

    def specification(self) -> dict[str, object]:
        """Return what enters the key."""
        keys = ("name", "version", "split", "order", "preprocessing", "prompts")
        return {key: getattr(self, key) for key in keys}


@dataclass(frozen=True)
class AdaptiveSpec:
    """How an adaptive attack passes through the defense: ``bpda`` or ``unrolled``, and EOT's draws per step."""

    gradients: Literal["none", "bpda", "unrolled"]
    eot_draws: int


@dataclass(frozen=True, eq=False)
class Cell:
    """One combination (model, dataset, attack, epsilon, threat model, defense, seed): a row of the results.

    Cells are equal when their keys are, whatever their labels say. ``adaptive`` is None for threat model ``transfer``.
    ``epsilon_255`` is the radius in units of 1/255, rounded to four decimals.
    """

    model: ModelSpec
    dataset: DatasetSpec
    attack: ComponentSpec
    epsilon_255: float
    defense: ComponentSpec
    seed: int
    precision: str
    adaptive: AdaptiveSpec | None = None

    @property
    def threat_model(self) -> str:
        """``transfer`` or ``adaptive``."""
        return TRANSFER if self.adaptive is None else ADAPTIVE

    @property
    def provisional(self) -> bool:
        """Whether a part of it is not on this machine: such a cell can be counted, but neither run nor stored."""
        digests = (self.model.digest, self.dataset.version, *self.attack.weights.values())
        return NOT_FETCHED in (*digests, *self.defense.weights.values())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cell) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def specification(self) -> dict[str, object]:
        """Return the resolved specification that the key is the digest of."""
        return {**self._attack_specification(), "defense": self.defense.specification()}

    @cached_property
    def key(self) -> str:
        """64 hexadecimal digits that name this cell in every database."""
        return digest(self.specification())

    @cached_property
    def attack_group(self) -> str:
        """Key of the cells that share this cell's adversarial images."""
        specification = self._attack_specification()
        if self.adaptive is not None:
            specification["defense"] = self.defense.specification()
        return digest(specification)

    def _attack_specification(self) -> dict[str, object]:
        return {
            "protocol": PROTOCOL_VERSION,
            "model": {"name": self.model.name, "digest": self.model.digest},
            "dataset": self.dataset.specification(),
            "attack": self.attack.specification(),
            "epsilon_255": self.epsilon_255,
            "threat_model": self.threat_model if self.adaptive is None else {ADAPTIVE: vars(self.adaptive)},
            "seed": self.seed,
            "precision": self.precision,
        }
