"""The check of a grid on the machine that sends it, which may lack the weights and data that the cluster has."""

from __future__ import annotations

import importlib.util
import sys
from contextlib import suppress
from pathlib import Path

from orchestrator.grid.expand import expand_provisionally
from orchestrator.grid.schema import Grid
from scc_core.components.registry import is_dotted_path
from scc_core.errors import NotFetchedError, UserError


def check_grid(grid: Grid, *, sends_code: bool) -> None:
    """Check a grid as far as this machine can.

    Args:
        grid: as read.
        sends_code: whether the user's own code is sent with it.

    Raises:
        UserError: what is wrong with it; nothing was sent.
    """
    components = (component.name for component in (*grid.attacks, *grid.defenses))
    for name in (*grid.models, *grid.datasets, *components):
        module = name.partition(":")[0].partition(".")[0]
        if not sends_code and is_dotted_path(name) and _lies_in_working_folder(module):
            raise UserError(
                f"{name!r} lies in this folder, which the cluster does not have: send it with --working-dir ."
            )
    # The head expands the grid again, with the weights and data that it has.
    with suppress(NotFetchedError):
        expand_provisionally(grid)


def _lies_in_working_folder(module: str) -> bool:
    specification = None if module in sys.builtin_module_names else importlib.util.find_spec(module)
    if specification is None:
        return False
    places = [specification.origin, *(specification.submodule_search_locations or ())]
    return any(place is not None and Path(place).resolve().is_relative_to(Path.cwd()) for place in places)
