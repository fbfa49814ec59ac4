"""A cell and its key: the SHA-256 of the canonical JSON of its resolved specification.

Whatever can change a prediction is in the specification; whatever cannot (batch size, shard size, host, retries, the
number of samples) is not. Golden tests pin the keys: a change here orphans every result that was ever stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from orchestrator.grid.not_fetched import NOT_FETCHED
from scc_core.canonical import canonical_json as canonical_json
from scc_core.canonical import digest as digest
from scc_core.components.component import Component
from scc_core.components.units import norm_of
from scc_core.evaluation.threat import Threat
from scc_core.identity import PROTOCOL_VERSION, DatasetSpec, ModelSpec

if TYPE_CHECKING:
    from scc_core.defenses import Defense

NO_DEFENSE: Final = "none"
"""The defense of the undefended model."""
CLEAN: Final = "none"
"""The attack of clean images."""
TRANSFER: Final = "transfer"
ADAPTIVE: Final = "adaptive"

NO_ATTACK: Mapping[str, object] = {"name": CLEAN, "parameters": {}}
"""The attack of clean cells in their specification."""


@dataclass(frozen=True, eq=False)
class Cell:
    """One combination (model, dataset, attack, epsilon, threat model, defense, seed): a row of the results.

    Cells are equal when their keys are, whatever their labels say. Attack, epsilon, threat model and seed are those of
    ``threat``. Attack and defense are resolved: every parameter is written out.
    """

    model: ModelSpec
    dataset: DatasetSpec
    threat: Threat
    defense: Component[Defense]
    precision: str

    @property
    def epsilon_255(self) -> float:
        """The radius in units of 1/255, rounded to four decimals."""
        return self.threat.epsilon_255

    @cached_property
    def norm(self) -> str | None:
        """The norm of the radius, ``linf`` or ``l2``; None for clean images."""
        return norm_of(self.threat.attack)

    @property
    def threat_model(self) -> str:
        """``transfer`` or ``adaptive``."""
        return TRANSFER if self.threat.adaptive is None else ADAPTIVE

    @property
    def provisional(self) -> bool:
        """Whether a part of it is not on this machine: such a cell can be counted, but neither run nor stored."""
        attack = {} if self.threat.attack is None else self.threat.attack.weights
        digests = (self.model.digest, self.dataset.version, *attack.values(), *self.defense.weights.values())
        return NOT_FETCHED in digests

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
        if self.threat.adaptive is not None:
            specification["defense"] = self.defense.specification()
        return digest(specification)

    def _attack_specification(self) -> dict[str, object]:
        threat = self.threat
        return {
            "protocol": PROTOCOL_VERSION,
            "model": self.model.specification(),
            "dataset": self.dataset.specification(),
            "attack": NO_ATTACK if threat.attack is None else threat.attack.specification(),
            "epsilon_255": threat.epsilon_255,
            "threat_model": TRANSFER if threat.adaptive is None else {ADAPTIVE: threat.adaptive.specification()},
            "seed": threat.seed,
            "precision": self.precision,
        }
