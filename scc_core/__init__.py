"""The core: models, datasets, attacks, defenses and their evaluation, without Ray, database or dataframe.

What a notebook needs lies here: :func:`load_model`, :func:`load_dataset`, :func:`evaluate`, and the classes that an own
model, dataset, attack or defense derives from. Each is imported at its first use, so that a program that
only reads results loads no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scc_core.attacks.base import Attack, project, random_start, rows_of
    from scc_core.attacks.problem import Problem
    from scc_core.components.parameters import PIXEL, parameter
    from scc_core.cost import Cost
    from scc_core.datasets.base import Dataset, DatasetCard
    from scc_core.defenses.base import Defense, DefenseCost
    from scc_core.errors import ComponentError, NotFetchedError, UserError
    from scc_core.evaluation.threat import Adaptive
    from scc_core.images import Images
    from scc_core.library import DefenseResult, Results, evaluate, load_dataset, load_model
    from scc_core.models.base import ModelCard, VisionLanguageModel, ZeroShotModel
    from scc_core.noise import Noise

__all__ = [
    "PIXEL",
    "Adaptive",
    "Attack",
    "ComponentError",
    "Cost",
    "Dataset",
    "DatasetCard",
    "Defense",
    "DefenseCost",
    "DefenseResult",
    "Images",
    "ModelCard",
    "Noise",
    "NotFetchedError",
    "Problem",
    "Results",
    "UserError",
    "VisionLanguageModel",
    "ZeroShotModel",
    "evaluate",
    "load_dataset",
    "load_model",
    "parameter",
    "project",
    "random_start",
    "rows_of",
]

_HOMES = {
    "scc_core.attacks.base": ("Attack", "project", "random_start", "rows_of"),
    "scc_core.attacks.problem": ("Problem",),
    "scc_core.components.parameters": ("PIXEL", "parameter"),
    "scc_core.cost": ("Cost",),
    "scc_core.datasets.base": ("Dataset", "DatasetCard"),
    "scc_core.defenses.base": ("Defense", "DefenseCost"),
    "scc_core.errors": ("ComponentError", "NotFetchedError", "UserError"),
    "scc_core.evaluation.threat": ("Adaptive",),
    "scc_core.images": ("Images",),
    "scc_core.library": ("DefenseResult", "Results", "evaluate", "load_dataset", "load_model"),
    "scc_core.models.base": ("ModelCard", "VisionLanguageModel", "ZeroShotModel"),
    "scc_core.noise": ("Noise",),
}


def __getattr__(name: str) -> object:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
