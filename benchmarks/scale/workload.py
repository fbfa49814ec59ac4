"""A grid of a thousand cells, as large as one asks, whose models and datasets are names alone."""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import Any

from orchestrator.grid.cell import Cell
from scc_core.blocks import BLOCK_SIZE, num_blocks
from scc_core.components.component import Component
from scc_core.components.parameters import Kind
from scc_core.evaluation.threat import Threat
from scc_core.identity import DatasetSpec, ModelSpec

_MODELS = 5
_SEEDS = 5
_EPSILONS_255 = (1.0, 2.0, 4.0, 8.0)
_DEFENSES = ("none", "flip", "shift", "random-noise", "ttc", "scc", "jpeg", "tte", "hedge", "doc")
CELLS = _MODELS * _SEEDS * len(_EPSILONS_255) * len(_DEFENSES)


def grid(blocks: int) -> dict[Cell, int]:
    """Return a thousand cells in a hundred attack groups with their samples, ``blocks`` blocks in all.

    Raises:
        ValueError: ``blocks`` is no multiple of the number of cells.
    """
    if blocks % CELLS:
        raise ValueError(f"{blocks} blocks cannot be shared out to {CELLS} cells")
    samples = blocks // CELLS * BLOCK_SIZE
    parts = product(range(_MODELS), range(_SEEDS), _EPSILONS_255, _DEFENSES)
    return {_cell(model, seed, epsilon, defense, samples): samples for model, seed, epsilon, defense in parts}


def lone_cells(cells: int, blocks: int) -> dict[Cell, int]:
    """Return cells that share no attack, each with its samples, ``blocks`` blocks in all."""
    samples = blocks // cells * BLOCK_SIZE
    assert num_blocks(samples) * cells == blocks
    return {_cell(0, seed, 4.0, "none", samples): samples for seed in range(cells)}


def _cell(model: int, seed: int, epsilon_255: float, defense: str, size: int) -> Cell:
    return Cell(
        model=ModelSpec(f"model-{model}", "0" * 64),
        dataset=DatasetSpec("images", "1", "test", "v1", "native", "0" * 64, classes=10, size=size),
        threat=Threat(_resolved("attack", "pgd"), epsilon_255 / 255, seed=seed),
        defense=_resolved("defense", defense),
        precision="float32",
    )


@cache
def _resolved(kind: Kind, name: str) -> Component[Any]:
    return Component[Any](kind, name).resolved()
