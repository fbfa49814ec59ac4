"""What a grid may name, as records for people and programs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from scc_core.attacks import attacks
from scc_core.datasets import datasets, open_dataset
from scc_core.defenses import defenses
from scc_core.models import get_model, models
from scc_core.parameters import describe

Record = dict[str, Any]


def list_models() -> list[Record]:
    """Return one record per registered model."""
    cards = [get_model(name).card for name in models]
    return [
        {
            "name": card.name,
            "summary": card.summary,
            "family": card.family,
            "architecture": card.architecture,
            "image_size": card.image_size,
            "licence": card.licence,
            "demonstration": card.demonstration,
            "source": card.source,
            "notes": list(card.notes),
        }
        for card in cards
    ]


def list_datasets() -> list[Record]:
    """Return one record per registered dataset."""
    records = []
    for name in datasets:
        dataset = open_dataset(name)
        card = dataset.card
        records.append(
            {
                "name": name,
                "summary": card.summary,
                "modality": card.modality,
                "split": card.split,
                "images": len(dataset),
                "classes": len(dataset.class_names),
                "templates": list(dataset.templates),
                "licence": card.licence,
                "source": card.source,
                "demonstration": card.demonstration,
                "notes": list(card.notes),
            }
        )
    return records


def list_attacks() -> list[Record]:
    """Return one record per attack, with its parameters."""
    return [
        {"name": name, "summary": _summary(attacks.get(name)), "parameters": describe(attacks.get(name))}
        for name in attacks
    ]


def list_defenses() -> list[Record]:
    """Return one record per defense, with its parameters and what it declares."""
    return [
        {
            "name": name,
            "summary": _summary(defenses.get(name)),
            "control": defenses.get(name).control,
            "randomised": defenses.get(name).randomised,
            "gradients": list(defenses.get(name).gradients),
            "parameters": describe(defenses.get(name)),
        }
        for name in defenses
    ]


LISTINGS: Mapping[str, Callable[[], list[Record]]] = {
    "models": list_models,
    "datasets": list_datasets,
    "attacks": list_attacks,
    "defenses": list_defenses,
}


def _summary(component: type) -> str:
    return (inspect.getdoc(component) or "").partition("\n")[0]
