"""What lay beside the samples of a run's datasets and was left out: shown, stored with the run, or refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from orchestrator.grid.cell import Cell
from scc_core.errors import UserError

_SHOWN = 5


def left_out_of(cells: Iterable[Cell]) -> Mapping[str, Sequence[Sequence[str]]]:
    """Return what the datasets of the cells leave out, as pairs of name and reason, by the dataset's name."""
    found = {cell.dataset.name: cell.dataset.left_out for cell in cells}
    return {name: entries for name, entries in found.items() if entries}


def describe_left_out(left_out: Mapping[str, Sequence[Sequence[str]]]) -> list[str]:
    """Return one line per dataset that leaves something out: how much, the first of it, and how to see the rest."""
    lines = []
    for name, entries in left_out.items():
        shown = "; ".join(f"{entry}: {reason}" for entry, reason in entries[:_SHOWN])
        more = len(entries) - _SHOWN
        rest = f"; and {more:,} more: sccbench doctor --dataset {name}" if more > 0 else ""
        lines.append(f"dataset {name} leaves {len(entries):,} out: {shown}{rest}")
    return lines


def refuse_left_out(cells: Iterable[Cell]) -> None:
    """Refuse datasets that leave something out, as ``--strict`` asks.

    Raises:
        UserError: there is one.
    """
    lines = describe_left_out(left_out_of(cells))
    if lines:
        raise UserError(f"--strict: {'; '.join(lines)}")
