"""What a grid may name, as records for people and programs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from scc_core.attacks import attacks
from scc_core.components.parameters import describe
from scc_core.datasets import dataset_facts, datasets
from scc_core.defenses import defenses
from scc_core.models import get_model, models
from scc_core.models.hub.cache import has_weights

Record = dict[str, Any]


def list_models() -> list[Record]:
    """Return one record per model with a card; nothing is downloaded and no weights are read."""
    cards = [get_model(name).card for name in models]
    return [
        {
            "name": card.name,
            "summary": card.summary,
            "family": card.family,
            "architecture": card.architecture,
            "image_size": card.image_size or None,
            "mean": card.mean,
            "std": card.std,
            "context_length": card.context_length,
            "activation": card.activation,
            "licence": card.licence,
            "citation": card.citation,
            "demonstration": card.demonstration,
            "fetched": card.repository is None or has_weights(card.repository),
            "source": card.source,
            "notes": list(card.notes),
        }
        for card in cards
    ]


def list_datasets() -> list[Record]:
    """Return one record per registered dataset; a published one needs none of its files for it."""
    facts = {name: dataset_facts(name) for name in datasets}
    return [
        {
            "name": name,
            "title": one.card.title,
            "summary": one.card.summary,
            "task": one.card.task,
            "modality": one.card.modality,
            "split": one.card.split,
            "images": one.card.images,
            "classes": one.card.classes,
            "templates": list(one.templates),
            "ensemble": len(one.ensemble),
            "licence": one.card.licence,
            "source": one.card.source,
            "citation": one.card.citation,
            "demonstration": one.card.demonstration,
            "obtain": list(one.card.obtain),
            "layout": one.card.layout.splitlines(),
            "notes": list(one.card.notes),
        }
        for name, one in facts.items()
    ]


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
            "control": defenses.get(name)().control,
            "randomised": defenses.get(name)().randomised,
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
