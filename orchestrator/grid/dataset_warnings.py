"""What should be doubted of a run's datasets: said by every command in the same words, and stored with the run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from orchestrator.grid.cell import Cell


def warnings_of(cells: Iterable[Cell]) -> Mapping[str, Sequence[str]]:
    """Return what should be doubted of the datasets of the cells, by the dataset's name."""
    found = {cell.dataset.name: cell.dataset.warnings for cell in cells}
    return {name: lines for name, lines in found.items() if lines}


def describe_warnings(warnings: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the warnings as every command and page shows them, one line each."""
    return [f"warning: dataset {name}: {line}" for name, lines in warnings.items() for line in lines]
