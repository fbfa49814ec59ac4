"""Blocks: in float64 any batch size gives the same predictions, costs add up, a failure stays where it belongs."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scc_core.attacks import PGD
from scc_core.blocks import BLOCK_SIZE, block_positions
from scc_core.components.component import Component
from scc_core.cost import Cost
from scc_core.datasets import Dataset, DatasetCard, PreparedDataset
from scc_core.defenses import RTPT, SCC, TTC, NoDefense
from scc_core.evaluation.measure import fixed_batch_size, measure
from scc_core.evaluation.threat import Threat
from scc_core.models.base import ZeroShotModel
from tests.scc_core.conftest import ConvTower, prompts
from tests.scc_core.evaluation.test_evaluate import BrokenDefense

pytestmark = [pytest.mark.numerics, pytest.mark.usefixtures("float64")]

SIZE = 130


class RandomImages(Dataset):
    """Fixed random images of four classes; the last block is short."""

    def __init__(self) -> None:
        self.card = DatasetCard("random", "", "classification", "noise", "test", "none", "the test")
        self.class_names = ("0", "1", "2", "3")
        self.templates = ("class {}",)
        self.labels = np.arange(SIZE, dtype=np.int64) % 4
        self.version = "1"

    def image(self, index):
        return np.random.default_rng(index).integers(0, 256, (8, 8, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def dataset() -> PreparedDataset:
    return PreparedDataset(RandomImages(), "native", 8)


def measured(dataset, blocks, batch_size, defenses, next_blocks=()):
    return measure(
        ZeroShotModel(ConvTower(), prompts(4)),
        dataset,
        blocks,
        threat=Threat(Component.of(PGD(num_steps=3)), 4 / 255),
        defenses={key: Component.of(defense) for key, defense in defenses.items()},
        batch_size=batch_size,
        next_blocks=next_blocks,
    )


@pytest.mark.parametrize("batch_size", [1, 7, 64, 1000])
def test_predictions_do_not_depend_on_the_batch_size(dataset, batch_size):
    defenses = {"none": NoDefense(), "ttc": TTC(), "scc": SCC()}
    reference = measured(dataset, [0, 1, 2], BLOCK_SIZE, defenses).results
    other = measured(dataset, [0, 1, 2], batch_size, defenses).results
    assert [(one.cell, one.block) for one in other] == [(one.cell, one.block) for one in reference]
    for one, two in zip(other, reference, strict=True):
        assert one.outcomes.sample_ids.tolist() == two.outcomes.sample_ids.tolist()
        assert one.outcomes.predictions.tolist() == two.outcomes.predictions.tolist()
        np.testing.assert_allclose(one.outcomes.margins, two.outcomes.margins, atol=1e-6)


def test_predictions_do_not_depend_on_the_layout_of_shards(dataset):
    together = measured(dataset, [0, 1, 2], 64, {"scc": SCC()}).results
    apart = [result for block in (2, 0, 1) for result in measured(dataset, [block], 64, {"scc": SCC()}).results]
    apart.sort(key=lambda result: result.block)
    for one, two in zip(apart, together, strict=True):
        assert one.outcomes.predictions.tolist() == two.outcomes.predictions.tolist()


class CountedImages(RandomImages):
    """Notes every sample that is decoded, and tells when one is."""

    def __init__(self, awaited: int) -> None:
        super().__init__()
        self.reads: list[int] = []
        self.awaited = awaited
        self.arrived = threading.Event()

    def image(self, index):
        self.reads.append(index)
        if index == self.awaited:
            self.arrived.set()
        return super().image(index)


@dataclass(frozen=True)
class Awaits(NoDefense):
    """Computes nothing before the images that come next are being read."""

    arrived: ClassVar[threading.Event]

    def classify(self, model, images, noise):
        assert self.arrived.wait(60)
        return super().classify(model, images, noise)


@pytest.mark.parametrize(("blocks", "next_blocks"), [([0, 1], []), ([0], [1]), ([0], [1, 2])])
def test_the_next_images_are_read_while_a_batch_is_computed_and_none_twice(monkeypatch, blocks, next_blocks):
    order = PreparedDataset(RandomImages(), "native", 8).order
    images = CountedImages(awaited=int(order[99]))
    monkeypatch.setattr(Awaits, "arrived", images.arrived, raising=False)
    measurement = measured(PreparedDataset(images, "native", 8), blocks, 50, {"awaits": Awaits()}, next_blocks)
    assert measurement.failures == {}
    assert images.reads == order[:100].tolist()


@given(st.integers(1, 150))
@settings(max_examples=15, deadline=None)
def test_costs_of_blocks_add_up_to_what_was_spent(batch_size):
    results = measured(PreparedDataset(RandomImages(), "native", 8), [0, 1, 2], batch_size, {"ttc": TTC()}).results
    assert [len(result.outcomes) for result in results] == [50, 50, 30]
    attack = sum((result.attack for result in results), Cost())
    defense = sum((result.defense for result in results), Cost())
    assert (attack.forwards, attack.backwards) == (3 * SIZE, 3 * SIZE)
    assert (defense.forwards, defense.backwards) == (4 * SIZE, 2 * SIZE)


def test_texts_of_blocks_add_up_to_what_was_spent():
    """R-TPT passes four prompts three times forward and once backward for each of the 130 images."""
    tuned = {"r-tpt": RTPT(num_views=2)}
    results = measured(PreparedDataset(RandomImages(), "native", 8), [0, 1, 2], 70, tuned).results
    defense = sum((result.defense for result in results), Cost())
    assert (defense.text_forwards, defense.text_backwards) == (12 * SIZE, 4 * SIZE)


def test_a_failing_defense_keeps_its_traceback_and_leaves_the_others(dataset):
    measurement = measured(dataset, [0], 20, {"broken": BrokenDefense(), "none": NoDefense()})
    assert measurement.failures["broken"].error == "RuntimeError: no such feature"
    assert "in classify" in measurement.failures["broken"].traceback
    assert [(result.cell, len(result.outcomes)) for result in measurement.results] == [("none", 50)]


def test_blocks_cover_the_dataset_once():
    covered = [position for block in range(3) for position in block_positions(block, SIZE)]
    assert covered == list(range(SIZE))


@pytest.mark.parametrize(
    ("device", "image_size", "together"),
    [("cpu", 224, 1), ("cpu", 112, 1), ("cpu", 64, 10), ("cuda", 64, 50), ("cuda", 336, 50)],
)
def test_how_many_images_are_computed_together_follows_from_model_and_kind_of_device(device, image_size, together):
    assert fixed_batch_size(torch.device(device), image_size) == together


def test_an_image_has_its_place_in_a_batch_by_its_place_in_the_dataset(dataset):
    """Whichever blocks are measured with it, in whichever order."""
    seen: list[list[int]] = []

    @dataclass(frozen=True)
    class Watches(NoDefense):
        def classify(self, model, images, noise):
            seen.append(noise.sample_ids.tolist())
            return model(images)

    measured(dataset, [0, 1, 2], 20, {"w": Watches()})
    together = list(seen)
    seen.clear()
    for block in (2, 0, 1):
        measured(dataset, [block], 20, {"w": Watches()})
    assert [len(batch) for batch in together] == [20, 20, 10, 20, 20, 10, 20, 10]
    assert seen == together[6:] + together[:6]
