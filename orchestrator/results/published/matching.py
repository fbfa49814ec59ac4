"""Which measured cells may stand beside a published number, and why the others may not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from orchestrator.grid.cell import TRANSFER
from orchestrator.results.published.tables import CLEAN, PublishedNumber, PublishedTables
from orchestrator.store import StoredCell

NOT_MEASURED = "not measured"
_NO_ATTACK = {"name": "none", "parameters": {}}


@dataclass(frozen=True)
class Match:
    """The cells that are comparable with a number, or why there is none.

    In the order of the dataset's names, of each the latest first.
    """

    cells: Sequence[StoredCell] = ()
    reason: str = ""


@dataclass(frozen=True)
class Matcher:
    """Finds those of the measured cells that a published number may be compared with.

    A cell is comparable if it agrees in model, dataset, attack with every parameter, epsilon, defense with every
    parameter, preprocessing and precision, and if its threat model is ``transfer``, as that of every published number.
    """

    tables: PublishedTables
    cells: Sequence[StoredCell]

    def match(self, number: PublishedNumber) -> Match:
        """Return the comparable cells; without one, the reason, by the condition that the nearest cells miss."""
        names = self.tables.names
        model = names.models[number.model]
        if model.absent:
            return Match(reason=f"no counterpart: {number.model} is {model.absent}")
        left = [
            cell
            for dataset in names.datasets[number.dataset].names
            for name in model.names
            for cell in reversed(self._by_subject.get((name, dataset), ()))
        ]
        for fits, explain in self._conditions(number):
            fitting = [cell for cell in left if fits(cell)]
            if not fitting:
                return Match(reason=_reason(left, explain))
            left = fitting
        return Match(cells=left)

    @cached_property
    def _by_subject(self) -> Mapping[tuple[str, str], list[StoredCell]]:
        found: dict[tuple[str, str], list[StoredCell]] = {}
        for cell in self.cells:
            found.setdefault((cell.model, cell.dataset), []).append(cell)
        return found

    def _conditions(
        self, number: PublishedNumber
    ) -> Iterable[tuple[Callable[[StoredCell], bool], Callable[[StoredCell], str]]]:
        """Return what must hold, the coarsest first, each with what a cell that fails it is said to be."""
        conditions = self.tables.names.conditions
        defense = self._defenses[number.defense]
        attack = _NO_ATTACK if number.attack == CLEAN else self._attacks[number.attack]
        return [
            (lambda cell: cell.defense_component["name"] == defense["name"], lambda _cell: ""),
            (lambda cell: cell.epsilon_255 == number.epsilon_255, lambda _cell: ""),
            (lambda cell: cell.threat_model == TRANSFER, lambda cell: f"threat model {cell.threat_model}"),
            (lambda cell: cell.attack_component == attack, lambda cell: f"attack {cell.attack}"),
            (lambda cell: cell.defense_component == defense, lambda cell: f"defense {cell.defense}"),
            (
                lambda cell: cell.preprocessing == conditions.preprocessing,
                lambda cell: f"preprocessing {cell.preprocessing}",
            ),
            (lambda cell: cell.precision == conditions.precision, lambda cell: f"precision {cell.precision}"),
        ]

    @cached_property
    def _attacks(self) -> Mapping[str, Mapping[str, object]]:
        return {name: given.resolved().specification() for name, given in self.tables.names.attacks.items()}

    @cached_property
    def _defenses(self) -> Mapping[str, Mapping[str, object]]:
        return {name: given.resolved().specification() for name, given in self.tables.names.defenses.items()}


def _reason(nearest: Sequence[StoredCell], explain: Callable[[StoredCell], str]) -> str:
    said = sorted({text for cell in nearest if (text := explain(cell))})
    return f"measured only with {' or '.join(said)}" if said else NOT_MEASURED
