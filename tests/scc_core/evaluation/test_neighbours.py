"""An image's outcome is the same to the bit whatever the other images of its batch are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import pytest
import torch
from torch import Tensor

from benchmarks.check_neighbours import EPSILON, SUBJECTS, Case, cases, differing
from scc_core import Attack, Defense, Noise, load_dataset, load_model
from scc_core.batch import Batch
from scc_core.components.component import Component
from scc_core.cost import Cost
from scc_core.datasets import PreparedDataset
from scc_core.defenses.base import DefenseCost
from scc_core.evaluation.threat import Threat
from scc_core.models.base import Classifier, VisionLanguageModel, ZeroShotModel
from tests.rounding import imitated_rounding, rounded_input, rounded_output


class RoundsByPlace(VisionLanguageModel):
    """Another processor: the rounding of an image's numbers depends on the batch's size and on its place there."""

    def __init__(self, towers: VisionLanguageModel) -> None:
        self.__dict__.update(towers.__dict__)
        self._towers = towers

    def encode_image(self, pixels: Tensor) -> Tensor:
        return rounded_output(self._towers.encode_image(rounded_input(pixels)))

    def encode_text(self, texts):
        return self._towers.encode_text(texts)

    def prompt_encoder(self, context, class_names):
        return self._towers.prompt_encoder(context, class_names)


@cache
def subject(model: str) -> tuple[ZeroShotModel, Batch]:
    """Return a classifier with fifteen images, of which ten make a batch."""
    towers, dataset = load_model(model), load_dataset(SUBJECTS[model])
    images = PreparedDataset(dataset, "native", towers.image_size).batch(range(15), towers.device)
    return ZeroShotModel(RoundsByPlace(towers), dataset.prompts()), images


def count(case: Case, model: str = "demo-clip") -> int:
    with imitated_rounding(4):
        return differing(*subject(model), case)


@pytest.mark.parametrize("case", list(cases()), ids=str)
def test_an_image_has_the_same_outcome_whatever_its_neighbours_are(case):
    assert count(case) == 0


@pytest.mark.slow
@pytest.mark.parametrize("case", [case for case in cases() if case.defense.name != "r-tpt"], ids=str)
def test_an_image_has_the_same_outcome_whatever_its_neighbours_are_on_the_other_model(case):
    assert count(case, "demo-biomedclip") == 0


@dataclass(frozen=True)
class Smaller(Attack):
    """Leaves out what is broken, so that the others' batch is smaller."""

    name = "smaller"

    def perturb(self, model: Classifier, pixels: Tensor, labels: Tensor, epsilon: float, noise: Noise) -> Tensor:
        rows = (model(pixels).argmax(dim=1) == labels).nonzero().squeeze(-1)
        gradient = torch.zeros_like(pixels)
        leaf = pixels[rows].detach().requires_grad_(True)
        loss = torch.nn.functional.cross_entropy(model(leaf), labels[rows], reduction="sum")
        gradient[rows] = torch.autograd.grad(loss, leaf)[0]
        return (pixels + epsilon * torch.tanh(1e3 * gradient)).clamp(0, 1)

    def nominal_cost(self, num_classes: int) -> Cost:
        return Cost(forwards=2, backwards=1)


@dataclass(frozen=True)
class Centred(Defense):
    """Subtracts the mean image of the batch."""

    def classify(self, model: ZeroShotModel, images: Tensor, noise: Noise) -> Tensor:
        return model((images - images.mean(dim=0) + 0.5).clamp(0, 1))

    def nominal_cost(self, num_classes: int) -> DefenseCost:
        return DefenseCost(classify=Cost(forwards=1))


def test_a_component_that_looks_at_its_batch_is_found_out():
    undefended = Component[Defense]("defense", "none")
    assert count(Case(Threat(Component("attack", f"{__name__}:Smaller"), EPSILON), undefended))
    assert count(Case(Threat(None, 0.0), Component("defense", f"{__name__}:Centred")))
