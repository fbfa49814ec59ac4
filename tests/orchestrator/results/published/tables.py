"""Published tables that a test makes: their words stand for the embedded models and datasets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from orchestrator.results.published.tables import COLUMNS, NAMES_FILE, NUMBERS_FILE, PublishedTables, load_published

NAMES: dict[str, Any] = {
    "sources": {"A paper": {"reference": "a paper", "resolution": 0.005, "note": "printed on paper"}},
    "conditions": {"preprocessing": "paper", "precision": "float32"},
    "models": {"Small CLIP": {"names": ["demo-clip"]}, "Tuned CLIP": {"absent": "a checkpoint that nobody has"}},
    "datasets": {
        "Shapes": {"names": ["demo/shapes"], "images": 1200},
        "Digits": {"names": ["demo/digits"], "images": 600},
    },
    "means": {"mean of 2": ["Shapes", "Digits"]},
    "attacks": {"PGD-3": {"pgd": {"num_steps": 3}}},
    "defenses": {"none": "none", "flipped": "flip"},
    "gates": [{"model": "Small CLIP", "dataset": "mean of 2", "epsilon_255": 0, "expected": 99, "tolerance": 5}],
}

GRID = """
name: as published
models: [demo-clip]
datasets: [demo/shapes, demo/digits]
attacks: [{pgd: {num_steps: 3}}]
epsilons: [0, 4/255]
defenses: [none, flip]
preprocessing: paper
"""
"""What these tables measure, but for the number of samples."""


def row(dataset: str, robust: object, clean: object = "", **changes: object) -> dict[str, object]:
    """A row of a published table, under PGD-3 at 4/255 on the undefended small CLIP."""
    values = {
        "source": "A paper",
        "model": "Small CLIP",
        "dataset": dataset,
        "attack": "PGD-3",
        "epsilon_255": 4,
        "threat_model": "transfer",
        "defense": "none",
        "robust_accuracy": robust,
        "clean_accuracy": clean,
    }
    return {**values, **changes}


def write_published(folder: Path, *rows: dict[str, object], names: dict[str, Any] = NAMES) -> Path:
    """Write a folder of published numbers; return it."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [",".join(COLUMNS), *(",".join(str(one[column]) for column in COLUMNS) for one in rows)]
    (folder / NUMBERS_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / NAMES_FILE).write_text(yaml.safe_dump(names, sort_keys=False), encoding="utf-8")
    return folder


def published(folder: Path, *rows: dict[str, object], names: dict[str, Any] = NAMES) -> PublishedTables:
    """Write and load a folder of published numbers."""
    return load_published(write_published(folder, *rows, names=names))
