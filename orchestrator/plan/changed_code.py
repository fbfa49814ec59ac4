"""What a database holds of the same cells under other code, so that they are measured again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator

from orchestrator.grid.cell import Cell, canonical_json
from orchestrator.grid.code import Specification, code_difference, code_label, without_code
from orchestrator.plan.plan import Plan
from orchestrator.store import MeasuredCell, ResultStore
from scc_core.blocks import num_blocks


def changed_code(plan: Plan, store: ResultStore) -> list[str]:
    """Return a line for each set of components whose code is no longer that with which cells were measured.

    A cell counts if nothing of it is measured with the code of today, and something is with other code.

    Args:
        plan: what is missing.
        store: the database.
    """
    missing = plan.missing_blocks()
    cells = [cell for cell, samples in plan.cells.items() if missing.get(cell.key) == num_blocks(samples)]
    own = [cell for cell in cells if code_label(cell.specification()) is not None]
    runs: dict[str, list[str]] = defaultdict(list)
    if own:
        for before, today in _pairs(own, store.measured_cells(_names(own))):
            said = code_difference(before.specification, today)
            if said is not None:
                runs[said].append(before.run)
    return [
        f"{said} run {max(found)}: {len(found)} {'cells' if len(found) > 1 else 'cell'} to measure again"
        for said, found in runs.items()
    ]


def _names(cells: Iterable[Cell]) -> dict[str, Collection[str]]:
    """Return the values of columns of ``results`` by which a cell is found whatever its code."""
    columns: dict[str, set[str]] = defaultdict(set)
    for cell in cells:
        columns["model"].add(cell.model.name)
        columns["dataset"].add(cell.dataset.name)
        columns["defense"].add(cell.defense.label)
    return dict(columns)


def _pairs(cells: Iterable[Cell], measured: Iterable[MeasuredCell]) -> Iterator[tuple[MeasuredCell, Specification]]:
    """Yield what the newest run has measured of each cell with other code, and the cell's specification."""
    today = {canonical_json(without_code(one)): one for one in (cell.specification() for cell in cells)}
    newest: dict[str, MeasuredCell] = {}
    for found in measured:
        same = canonical_json(without_code(found.specification))
        if same in today and (same not in newest or newest[same].run < found.run):
            newest[same] = found
    yield from ((found, today[same]) for same, found in newest.items())
