"""The badge of results whose components are other ones today."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from orchestrator.grid.code import Code, codes_of
from orchestrator.store import StoredCell

CODE_CHANGED = "code changed"


def with_changed_code(
    cells: Sequence[StoredCell], newest_runs: Mapping[str, str], badges: Mapping[str, str]
) -> dict[str, str]:
    """Return badges with :data:`CODE_CHANGED` for the cells of which a newer run has measured other code.

    Args:
        cells: all of the database.
        newest_runs: by the key of a cell, the newest run that asked for it.
        badges: those of some cells by their keys, joined with ``, ``; the others have what is stored with them.

    Returns:
        The badges of these cells, and of those others whose badges change.
    """
    changed = _changed(cells, newest_runs)
    found = dict(badges)
    for cell in cells:
        before = badges.get(cell.key, cell.badges)
        kept = [badge for badge in before.split(", ") if badge and badge != CODE_CHANGED]
        after = ", ".join([*kept, CODE_CHANGED] if cell.key in changed else kept)
        if cell.key in badges or after != before:
            found[cell.key] = after
    return found


def _changed(cells: Iterable[StoredCell], newest_runs: Mapping[str, str]) -> set[str]:
    """Return the keys of the measured cells of which a component has other code in its newest run."""
    codes = {cell.key: codes_of(cell.specification) for cell in cells if cell.samples and cell.key in newest_runs}
    current: dict[tuple[str, str], tuple[str, Code]] = {}
    for key, components in codes.items():
        for component, code in components.items():
            if component not in current or current[component][0] < newest_runs[key]:
                current[component] = newest_runs[key], code
    return {
        key
        for key, components in codes.items()
        if any(current[component][1] != code for component, code in components.items())
    }
