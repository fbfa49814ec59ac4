"""A database in which every accuracy says of which condition it is, so that a number that mixes two is found out.

Two threat models, attacks, preprocessings, precisions, radii, models, datasets and seeds. Accuracies differ between
conditions, and are the same for all models, datasets and seeds of one, over which an average is meant.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import NamedTuple

import numpy as np

from orchestrator.grid.cell import Cell
from orchestrator.store import ResultStore
from scc_core.evaluation.threat import Adaptive
from scc_core.identity import ModelSpec
from tests.orchestrator.measuring import attack, defense, fill, first_right
from tests.orchestrator.store.builders import make_cell

SAMPLES = 200
PLACES = list(product(("model-a", "model-b"), ("dataset-a", "dataset-b"), (0, 1)))
"""Model, dataset and seed of each cell of a condition."""


class Condition(NamedTuple):
    """What no number may mix."""

    preprocessing: str
    precision: str
    attack: str
    epsilon_255: float
    threat_model: str
    defense: str


def conditions() -> list[Condition]:
    """Every condition; an adaptive attack on ``none`` is the transfer attack, and clean images have none."""
    attacked = product(("native", "paper"), ("float32", "bfloat16"), ("pgd", "fgsm"), (1.0, 4.0))
    clean = product(("native", "paper"), ("float32", "bfloat16"), ("none",), (0.0,))
    return [
        Condition(*setting, threat_model, name)
        for setting in [*clean, *attacked]
        for threat_model, name in (("transfer", "none"), ("transfer", "flip"), ("adaptive", "flip"))
        if setting[3] or threat_model == "transfer"
    ]


def planted_accuracies() -> dict[Condition, float]:
    """The accuracy of every condition, all different."""
    known = conditions()
    right = np.random.default_rng(0).permutation(SAMPLES)[: len(known)]
    return {condition: float(number) / SAMPLES for condition, number in zip(known, right, strict=True)}


def cell_of(condition: Condition, model: str, dataset: str, seed: int) -> Cell:
    """A cell of a condition."""
    adaptive = Adaptive("bpda", 1) if condition.threat_model == "adaptive" else None
    spec = make_cell().dataset
    return make_cell(
        seed,
        model=ModelSpec(model, "d" * 64),
        dataset=replace(spec, name=dataset, preprocessing=condition.preprocessing),
        attack=attack(condition.attack) if condition.epsilon_255 else None,
        epsilon_255=condition.epsilon_255,
        defense=defense(condition.defense),
        precision=condition.precision,
        adaptive=adaptive,
    )


def plant(store: ResultStore) -> str:
    """Store a run of all conditions; return it."""
    measured = {
        cell_of(condition, *place): first_right(round(accuracy * SAMPLES), SAMPLES)
        for condition, accuracy in planted_accuracies().items()
        for place in PLACES
    }
    return fill(store, measured)
