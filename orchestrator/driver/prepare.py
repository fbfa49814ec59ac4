"""The preparation of every run: its models are fetched, and its grid is expanded to cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from orchestrator.grid.cell import Cell
from orchestrator.grid.expand import expand
from orchestrator.grid.fetch_models import fetch_models_of
from orchestrator.grid.left_out import refuse_left_out
from orchestrator.grid.schema import Grid


@dataclass(frozen=True)
class PreparedGrid:
    """A grid whose models and datasets are on this machine.

    Attributes:
        grid: as checked.
        text: as the user wrote it, which is stored with the run.
        cells: of the grid, each with the number of samples asked for.
    """

    grid: Grid
    text: str
    cells: Mapping[Cell, int]


def prepare(
    grid: Grid, text: str, say: Callable[[str], None], *, strict: bool = False, stored: bool = False
) -> PreparedGrid:
    """Fetch the models that this machine lacks, and expand the grid.

    Args:
        grid: as checked.
        text: as the user wrote it.
        say: prints one line about a download.
        strict: whether datasets that leave something out are refused.
        stored: whether the grid is that of an earlier run.

    Raises:
        UserError: the grid is wrong, or it names what is not on this machine and cannot be fetched.
    """
    fetch_models_of(grid, say, stored=stored)
    cells = expand(grid, stored=stored)
    if strict:
        refuse_left_out(cells)
    return PreparedGrid(grid, text, cells)
