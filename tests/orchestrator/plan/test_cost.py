"""What a cell is priced at, held to what the meter counts, for everything that the registries hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from orchestrator.plan.cost import CellCost, cell_cost
from scc_core.attacks import Attack, attacks
from scc_core.batch import Batch
from scc_core.components.component import Component
from scc_core.cost import Cost
from scc_core.defenses import Defense, DefenseCost, Flip, defenses
from scc_core.errors import UserError
from scc_core.evaluation.adaptive import STRONGEST_FIRST
from scc_core.evaluation.evaluate import Evaluation, evaluate
from scc_core.evaluation.threat import Adaptive, Threat
from scc_core.identity import DatasetSpec
from scc_core.models.base import ZeroShotModel
from scc_core.noise import Noise
from tests.orchestrator.conftest import cell
from tests.scc_core.conftest import ConvTower, ToyPrompts, prompts

CLASSES, IMAGES = 5, 2
DATASET = DatasetSpec("steady", "1", "test", "balanced-1", "native", "cd" * 32, classes=CLASSES, size=IMAGES)
FIGURES = ("forwards", "backwards", "text_forwards", "text_backwards")
LARGEST_RATIO = 1.5

SMALL = {
    "num_steps": 2,
    "warmup_steps": 1,
    "num_views": 2,
    "num_crops": 1,
    "num_copies": 2,
    "num_targets": 2,
    "num_queries": 5,
}
"""Parameters that set how many passes there are; a component has those of them that it declares."""
OPEN_GATES = {"csr": {"threshold": 1.0, "radius": 1.0}, "ttc": {"tau": 1e9}, "scc": {"tau": 1e9}}
"""Prices assume that a gate spares no image, so here none does."""


class SteadyTower(ConvTower):
    """A tower whose first class leads so far that no attack of the tests breaks an image: prices assume that."""

    def __init__(self) -> None:
        super().__init__(CLASSES)
        self.lead = torch.eye(CLASSES)[0] * 8.0

    def encode_image(self, pixels: Tensor) -> Tensor:
        return super().encode_image(pixels) + self.lead

    def prompt_encoder(self, context: str, class_names: tuple[str, ...]) -> ToyPrompts:
        encoder = super().prompt_encoder(context, class_names)
        encoder.mixing = encoder.mixing * 0.1
        return encoder


@pytest.fixture(scope="module")
def model() -> ZeroShotModel:
    return ZeroShotModel(SteadyTower(), prompts(CLASSES))


def small(component: type, **given: object) -> object:
    """Build a component that takes few passes."""
    declared = {field.name for field in fields(component)}
    return component(**{name: value for name, value in SMALL.items() if name in declared} | given)


@dataclass(frozen=True)
class Leaning(Defense):
    """Moves every pixel by what the image's embedding is: a correction that can be skipped or differentiated."""

    gradients: ClassVar = ("bpda", "unrolled")

    def correct(self, model, pixels, noise):
        return pixels + 1e-3 * model.features(pixels).mean(dim=1).reshape(-1, 1, 1, 1)

    def nominal_cost(self, num_classes):
        return DefenseCost(correct=Cost(forwards=1))


def attack_named(name: str, **given: object) -> Attack:
    return small(attacks.get(name), **given)


def defense_named(name: str) -> Defense:
    return small(defenses.get(name), **OPEN_GATES.get(name, {}))


def priced(name: str, attack: Attack, defended: str, defense: Defense, adaptive: Adaptive | None = None) -> CellCost:
    attacking = Component("attack", name, attack.parameters())
    defending = Component("defense", defended, defense.parameters())
    return cell_cost(cell(dataset=DATASET, attack=attacking, defense=defending, adaptive=adaptive))


def measured(
    model: ZeroShotModel, attack: Attack, defending: dict[str, Defense], adaptive: Adaptive | None
) -> Evaluation[str]:
    pixels, ids = torch.rand(IMAGES, 3, 8, 8, generator=torch.Generator().manual_seed(1)), torch.arange(IMAGES)
    target = defenses.get("none")() if adaptive is None else next(iter(defending.values()))
    batch = Batch(pixels, target(model, pixels, Noise(0, ids)).argmax(dim=1), ids)
    threat = Threat(Component.of(attack), 4 / 255, adaptive)
    return evaluate(model, batch, threat=threat, defenses={name: Component.of(one) for name, one in defending.items()})


def assert_fits(price: Cost, spent: Cost) -> None:
    """No figure of a price lies below what was counted, and none far above."""
    for figure in FIGURES:
        foreseen, counted = IMAGES * getattr(price, figure), getattr(spent, figure)
        assert counted <= foreseen <= LARGEST_RATIO * counted, figure


def ways_through(names: Iterable[str]) -> list[Any]:
    """Return each defense with every way through it that it declares, randomised ones with one draw and with two."""
    return [
        pytest.param(name, Adaptive(way, draws), id=f"{name}-{way}-{draws}")
        for name in names
        for way in STRONGEST_FIRST
        for draws in (1, 2)
        if way in defenses.get(name).gradients and (draws == 1 or defenses.get(name).randomised)
    ]


@pytest.mark.parametrize("name", list(attacks))
def test_transfer_is_priced_at_what_the_meter_counts(name, model):
    attack, defending = attack_named(name), {one: defense_named(one) for one in defenses}
    found = measured(model, attack, defending, None)
    for one, defense in defending.items():
        price = priced(name, attack, one, defense)
        assert_fits(price.attack, found.attack)
        assert_fits(price.defense, found.defended[one].cost)


def assert_adaptive_fits(model: ZeroShotModel, name: str, attack: Attack, defended: str, adaptive: Adaptive):
    defense = defense_named(defended)
    found = measured(model, attack, {defended: defense}, Adaptive(adaptive.gradients, adaptive.eot_draws))
    price = priced(name, attack, defended, defense, adaptive)
    assert_fits(price.attack, found.attack)
    assert_fits(price.defense, found.defended[defended].cost)


@pytest.mark.parametrize("name", list(attacks))
@pytest.mark.parametrize(("defended", "adaptive"), ways_through(defenses))
def test_adaptive_is_priced_at_what_the_meter_counts(name, defended, adaptive, model):
    assert_adaptive_fits(model, name, attack_named(name), defended, adaptive)


VARIANTS = [
    ("pgd", {"loss": "embedding", "num_restarts": 2}),
    ("pgd", {"targeted": True, "num_restarts": 2}),
    ("view-eot", {"targeted": True, "num_restarts": 2}),
    ("apgd", {"loss": "dlr-targeted", "num_restarts": 2}),
    ("autoattack", {"attacks": "ttc", "num_restarts": 2}),
    ("fab-t", {"num_restarts": 2}),
]
ELSEWHERE = ["mac", "scc", "views", f"{__name__}:Leaning"]
"""One that classifies with gradients of its own, one with passes in both steps, one with several in the second step,
and one whose correction can be differentiated."""


@pytest.mark.parametrize(("name", "given"), VARIANTS)
@pytest.mark.parametrize(("defended", "adaptive"), ways_through(ELSEWHERE))
def test_options_that_add_passes_are_priced(name, given, defended, adaptive, model):
    assert_adaptive_fits(model, name, attack_named(name, **given), defended, adaptive)


@dataclass(frozen=True)
class Former(Flip):
    """Declares its cost as version 0.1.0 asked for it."""

    def nominal_cost(self):
        return Cost(forwards=1)


@dataclass(frozen=True)
class Vague(Flip):
    def nominal_cost(self, num_classes):
        return num_classes


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Former", r"test_cost:Former': nominal_cost is called with the number of classes, and raised TypeError\("),
        ("Vague", r"test_cost:Vague': nominal_cost returned \d+, expected a scc_core.DefenseCost"),
    ],
)
def test_a_cost_that_is_none_is_told_in_one_line(name, message):
    with pytest.raises(UserError, match=message) as error:
        cell_cost(cell(dataset=DATASET, defense=Component("defense", f"{__name__}:{name}")))
    assert "\n" not in str(error.value)
