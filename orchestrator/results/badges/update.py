"""Determines the badges of stored cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from orchestrator.grid.cell import canonical_json
from orchestrator.results.badges.case import BesideNone, Case
from orchestrator.results.badges.table import badges_of
from orchestrator.results.changed_code import with_changed_code
from orchestrator.store import Hits, ResultStore, StoredCell, on_common_samples
from scc_core.components.component import Component
from scc_core.errors import UserError


def update_badges(store: ResultStore, run_id: str) -> None:
    """Determine and store the badges of a run's cells, and of all cells that they are compared with or take over from.

    Repeating it changes nothing. A cell keeps the badges that it has if its attack cannot be loaded here, or if nothing
    tells whether its defense is randomised.
    """
    store.count_afresh()
    cells = store.cells()
    affected = _affected(cells, set(store.run_cells(run_id)))
    # A cell of an older program may not say it, but the run's own cell of the same defense does.
    told = {_defended(cell): cell.randomised for cell in affected if cell.randomised is not None}
    draws = Counter(cell.without_seed for cell in affected if cell.samples)
    undefended = {cell.without_defense: cell for cell in cells if cell.undefended and cell.samples}
    groups: dict[tuple[str, int], list[StoredCell]] = {}
    for cell in affected:
        groups.setdefault((_defended(cell), cell.seed), []).append(cell)
    badges: dict[str, str] = {}
    for group in groups.values():
        references = [undefended[cell.without_defense] for cell in group if cell.without_defense in undefended]
        hits = store.hits_of([cell.key for cell in [*group, *references]])
        randomised = told.get(_defended(group[0]))
        possible = [_case(cell, hits[cell.key], randomised, draws[cell.without_seed]) for cell in group]
        cases = [
            replace(case, beside_none=_beside_none(store, case.cell, undefended.get(case.cell.without_defense), hits))
            for case in possible
            if case is not None
        ]
        badges |= {case.cell.key: ", ".join(badges_of(case, cases)) for case in cases}
    store.set_badges(with_changed_code(cells, store.newest_runs(), badges))


def _affected(cells: Sequence[StoredCell], asked: set[str]) -> list[StoredCell]:
    """Return the cells of the defenses that a run measures, and all that are compared with a ``none`` of the run."""
    own = [cell for cell in cells if cell.key in asked]
    touched = {_defended(cell) for cell in own}
    compared = {cell.classifier for cell in own if cell.undefended}
    return [cell for cell in cells if _defended(cell) in touched or cell.classifier in compared]


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


def _beside_none(
    store: ResultStore, cell: StoredCell, reference: StoredCell | None, hits: Mapping[str, Hits]
) -> BesideNone | None:
    """Compare a defended cell with ``none`` on the same images; None if there is no such cell, or no common sample."""
    if reference is None or cell.undefended:
        return None
    mine, theirs = on_common_samples([hits[cell.key], hits[reference.key]])
    if not len(mine):
        return None
    wrong = int((~theirs).sum())
    if (mine != theirs).any():
        return BesideNone(len(mine), wrong, same_predictions=False, same_logits=False)
    # What was predicted lies in the outcomes, which take long to read: only where right and wrong are the same.
    outcomes = [store.outcomes([key]) for key in (cell.key, reference.key)]
    both = outcomes[0].join(outcomes[1], on="position", suffix="_none")
    same = {name: bool((both[name] == both[f"{name}_none"]).all()) for name in ("prediction", "margin", "confidence")}
    return BesideNone(len(mine), wrong, same["prediction"], all(same.values()))
