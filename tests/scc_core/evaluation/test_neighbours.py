"""An image's outcome is the same to the bit whatever the other images of its batch are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from scc_core import Attack, Defense, Noise, load_dataset, load_model
from scc_core.attacks import attacks
from scc_core.batch import Batch
from scc_core.components.component import Component
from scc_core.cost import Cost
from scc_core.datasets import PreparedDataset
from scc_core.defenses import defenses
from scc_core.defenses.base import DefenseCost
from scc_core.evaluation.evaluate import evaluate
from scc_core.evaluation.threat import Adaptive, Threat
from scc_core.models.base import Classifier, VisionLanguageModel, ZeroShotModel
from tests.rounding import imitated_rounding, rounded_input, rounded_output

KEPT, TOGETHER = 4, 10
EPSILON = 1 / 255
SUBJECTS = {"demo-clip": "demo/shapes", "demo-biomedclip": "phantom/histology"}
SHORT: Mapping[str, Mapping[str, Any]] = {
    "apgd": {"num_steps": 6, "num_restarts": 2},
    "autoattack": {"num_steps": 5, "num_targets": 2, "num_queries": 20},
    "cw-linf": {"num_steps": 3, "num_restarts": 3},
    "fab-t": {"num_steps": 4, "num_targets": 2},
    "pgd": {"num_steps": 3, "num_restarts": 3},
    "square": {"num_queries": 25},
    "surrogate": {"num_steps": 3},
    "view-eot": {"num_steps": 2, "num_restarts": 2},
    "r-tpt": {"num_views": 3},
    "agc": {"num_views": 2},
    "doc": {"num_steps": 2, "num_copies": 2},
    "hedge": {"num_steps": 3},
    "mac": {"num_steps": 2},
    "tte": {"num_crops": 2},
}
"""Parameters that make components quick, with restarts that only some images need."""


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
    """Return a classifier with thirty images."""
    towers, dataset = load_model(model), load_dataset(SUBJECTS[model])
    images = PreparedDataset(dataset, "native", towers.image_size).batch(range(30), towers.device)
    return ZeroShotModel(RoundsByPlace(towers), dataset.prompts()), images


def outcomes(model: ZeroShotModel, images: Batch, threat: Threat, defense: Component[Defense]) -> tuple[bytes, ...]:
    """Return what is stored of the first images of a batch, bit by bit."""
    found = evaluate(model, images, threat=threat, defenses={"d": defense}, keep_images=True)
    mine = found.defended["d"].outcomes.rows(0, KEPT)
    arrays = (mine.predictions, mine.margins, mine.confidences, mine.scores, found.gradients[:KEPT])
    attacked = () if found.images is None else (found.images[:KEPT].numpy(),)
    return tuple(np.ascontiguousarray(array).tobytes() for array in (*arrays, *attacked) if array is not None)


def differs(model: str, threat: Threat, defense: Component[Defense]) -> bool:
    """Whether the first images' outcomes change with the neighbours, which are replaced by others and by black ones."""
    classifier, images = subject(model)
    chosen = [[*range(TOGETHER)], [*range(KEPT), *range(20, 20 + TOGETHER - KEPT)], [*range(KEPT), *[KEPT] * 6]]
    batches = [Batch(images.pixels[rows], images.labels[rows], images.sample_ids[rows]) for rows in chosen]
    batches[2].pixels[KEPT:] = 0.0
    with imitated_rounding(4):
        return len({outcomes(classifier, batch, threat, defense) for batch in batches}) > 1


def component(kind: Any, name: str, **more: Any) -> Component[Any]:
    return Component(kind, name, {**SHORT.get(name, {}), **more})


NONE = component("defense", "none")


@pytest.mark.parametrize("model", SUBJECTS)
@pytest.mark.parametrize("name", list(attacks))
def test_an_attack_makes_the_same_image_whatever_its_neighbours_are(model, name):
    assert not differs(model, Threat(component("attack", name), EPSILON), NONE)


@pytest.mark.parametrize("name", [name for name in defenses if name != "none"])
def test_a_defense_answers_the_same_whatever_the_neighbours_are(name):
    for model in SUBJECTS:
        if name != "r-tpt" or model == "demo-clip":
            assert not differs(model, Threat(component("attack", "fgsm"), EPSILON), component("defense", name))


ADAPTIVE = [(name, way) for name in defenses for way in defenses.get(name).gradients if name != "none"]


@pytest.mark.parametrize(("name", "way"), ADAPTIVE, ids=lambda value: str(value))
def test_an_adaptive_attack_makes_the_same_image_whatever_its_neighbours_are(name, way):
    threat = Threat(component("attack", "pgd", num_steps=2, num_restarts=2), EPSILON, Adaptive(way, eot_draws=2))
    assert not differs("demo-clip", threat, component("defense", name))


@pytest.mark.parametrize("attack", [name for name in attacks if name != "surrogate"])
def test_every_attack_asks_a_randomised_defense_about_an_image_as_often_whatever_its_neighbours_are(attack):
    threat = Threat(component("attack", attack), EPSILON, Adaptive("bpda", eot_draws=1))
    assert not differs("demo-clip", threat, component("defense", "ttc"))


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
    assert differs("demo-clip", Threat(Component("attack", f"{__name__}:Smaller"), EPSILON), NONE)
    assert differs("demo-clip", Threat(None, 0.0), Component("defense", f"{__name__}:Centred"))
