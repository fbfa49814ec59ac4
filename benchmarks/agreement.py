"""Outcomes of the embedded models computed on two devices, as a run computes them, and set beside each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from scc_core.batch import Batch
from scc_core.blocks import BLOCK_SIZE
from scc_core.components.component import Component
from scc_core.datasets.pixels.dataset import PreparedDataset
from scc_core.datasets.registry import open_dataset
from scc_core.defenses import Defense
from scc_core.evaluation.evaluate import evaluate
from scc_core.evaluation.measure import fixed_batch_size
from scc_core.evaluation.threat import Threat
from scc_core.models import ZeroShotModel, get_model
from scc_core.outcomes import Outcomes

SUBJECTS = (("demo-clip", "demo/shapes"), ("demo-biomedclip", "phantom/histology"))
SEED = 0

_THREATS: Mapping[str, Threat] = {
    "clean": Threat(None, 0.0),
    "pgd": Threat(Component("attack", "pgd"), 1 / 255),
}

Case = tuple[str, str, str, str]


class Comparison(NamedTuple):
    """What two devices made of the same samples.

    Attributes:
        case: model, dataset, attack, defense.
        samples: number of samples.
        different: how many predictions differ.
        different_margins: how many margins differ in any bit.
        margin_difference: the largest difference of a margin, in logits.
    """

    case: Case
    samples: int
    different: int
    different_margins: int
    margin_difference: float


def compare(first: torch.device, second: torch.device, num_samples: int, names: Sequence[str]) -> Iterator[Comparison]:
    """Yield a comparison per embedded model, attack (none and PGD at 1/255) and defense of ``names``.

    Raises:
        UserError: a model cannot be loaded.
    """
    for model, dataset in SUBJECTS:
        one, other = (outcomes_of(model, dataset, device, num_samples, names) for device in (first, second))
        for case, outcomes in one.items():
            yield _comparison(case, outcomes, other[case])


def _comparison(case: Case, one: Outcomes, other: Outcomes) -> Comparison:
    different = int((one.predictions != other.predictions).sum())
    distances = np.abs(one.margins - other.margins)
    return Comparison(case, len(one), different, int(np.count_nonzero(distances)), float(distances.max()))


def outcomes_of(
    model: str, dataset: str, device: torch.device, num_samples: int, names: Sequence[str], seed: int = SEED
) -> dict[Case, Outcomes]:
    """Return the outcomes of the first samples under every attack and defense, as a run computes them on a device.

    Raises:
        UserError: the model cannot be loaded.
    """
    opened = open_dataset(dataset)
    classifier = ZeroShotModel(get_model(model).load(device), opened.prompts())
    prepared = PreparedDataset(opened, "native", classifier.model.image_size)
    size = fixed_batch_size(device, classifier.model.image_size)
    parts: dict[Case, list[Outcomes]] = {}
    for start in range(0, num_samples, BLOCK_SIZE):
        images = prepared.batch(range(start, min(start + BLOCK_SIZE, num_samples)), device)
        for batch in images.split(size):
            for (attack, defense), outcomes in _batch(classifier, batch, names, seed).items():
                parts.setdefault((model, dataset, attack, defense), []).append(outcomes)
    return {case: Outcomes.concatenate(found) for case, found in parts.items()}


def _batch(classifier: ZeroShotModel, batch: Batch, names: Sequence[str], seed: int) -> dict[tuple[str, str], Outcomes]:
    chosen: dict[str, Component[Defense]] = {
        name: Component("defense", name) for name in names if _runs_on(classifier, name)
    }
    found = {}
    for name, threat in _THREATS.items():
        evaluation = evaluate(classifier, batch, threat=replace(threat, seed=seed), defenses=chosen)
        found.update({(name, defense): defended.outcomes for defense, defended in evaluation.defended.items()})
    return found


def _runs_on(classifier: ZeroShotModel, defense: str) -> bool:
    """Prompt tuning needs open_clip's own text transformer, which BiomedCLIP's architecture does not have."""
    return defense != "r-tpt" or classifier.model.name == "demo-clip"
