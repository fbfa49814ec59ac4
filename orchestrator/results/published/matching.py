"""Which measured cells may stand beside a published number, and why the others may not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from orchestrator.grid.cell import NO_ATTACK, TRANSFER
from orchestrator.results.published.tables import CLEAN, PublishedNumber, PublishedTables
from orchestrator.store import StoredCell

NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Match:
    """The cells that are comparable with a number, or why there is none.

    The cells are in the order of the dataset's names; for each name the latest cell comes first.
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
        """Return the comparable cells. If there is none, the reason says how the nearest cells differ."""
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
                said = sorted({text for cell in left if (text := explain(cell))})
                return Match(reason=f"measured only with {' or '.join(said)}" if said else NOT_MEASURED)
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
        """Return the conditions, the coarsest first, each with the words for a cell that fails it."""
        conditions = self.tables.names.conditions
        attacks, defenses = self._components
        attack, defense = attacks[number.attack], defenses[number.defense]
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
    def _components(self) -> tuple[Mapping[str, Mapping[str, object]], Mapping[str, Mapping[str, object]]]:
        """The attacks and the defenses of the tables by their names there, with every parameter written out."""
        names = self.tables.names
        attacks = {name: given.resolved().specification() for name, given in names.attacks.items()}
        defenses = {name: given.resolved().specification() for name, given in names.defenses.items()}
        return {**attacks, CLEAN: NO_ATTACK}, defenses
