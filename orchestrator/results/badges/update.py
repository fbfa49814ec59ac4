"""Determines the badges of stored cells."""

from __future__ import annotations

from collections import Counter

from orchestrator.grid.cell import canonical_json
from orchestrator.results.badges.case import Case
from orchestrator.results.badges.table import badges_of
from orchestrator.store import Hits, ResultStore, StoredCell
from scc_core.components.component import Component
from scc_core.errors import UserError


def update_badges(store: ResultStore, run_id: str) -> None:
    """Determine and store the badges of a run's cells and of all cells that they are compared with.

    Repeating it changes nothing. A cell keeps the badges that it has if its attack cannot be loaded here, or if nothing
    tells whether its defense is randomised.
    """
    store.count_afresh()
    cells = store.cells()
    asked = set(store.run_cells(run_id))
    touched = {_defended(cell) for cell in cells if cell.key in asked}
    affected = [cell for cell in cells if _defended(cell) in touched]
    # A cell of an older program may not say it, but the run's own cell of the same defense does.
    told = {_defended(cell): cell.randomised for cell in affected if cell.randomised is not None}
    draws = Counter(cell.without_seed for cell in affected if cell.samples)
    groups: dict[tuple[str, int], list[StoredCell]] = {}
    for cell in affected:
        groups.setdefault((_defended(cell), cell.seed), []).append(cell)
    badges: dict[str, str] = {}
    for group in groups.values():
        hits = store.hits_of([cell.key for cell in group])
        randomised = told.get(_defended(group[0]))
        possible = [_case(cell, hits[cell.key], randomised, draws[cell.without_seed]) for cell in group]
        cases = [case for case in possible if case is not None]
        badges |= {case.cell.key: ", ".join(badges_of(case, cases)) for case in cases}
    store.set_badges(badges)


def _defended(cell: StoredCell) -> str:
    """Return a text that is the same for all cells with the same defense, model and samples."""
    return canonical_json([cell.classifier, cell.defense_component])


def _case(cell: StoredCell, hits: Hits, randomised: bool | None, draws: int) -> Case | None:
    from scc_core.attacks import Attack  # It loads torch, which who reads the table of badges does not need.

    attack = None
    if randomised is None:
        return None
    if cell.epsilon_255 > 0:
        name, parameters = cell.attack_component["name"], cell.attack_component["parameters"]
        try:
            attack = Component[Attack]("attack", name, parameters).build()
        except UserError:
            return None
    return Case(cell, hits, attack, randomised, draws)
