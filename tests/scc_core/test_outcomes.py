"""Outcomes and costs merge exactly; what an attack's gradients were is noted per sample."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from scc_core.attacks import APGD, FGSM, PGD, AutoAttack, Square
from scc_core.components.component import Component
from scc_core.cost import Cost
from scc_core.datasets import PreparedDataset
from scc_core.defenses import Defense, NoDefense
from scc_core.evaluation import evaluate as evaluation
from scc_core.evaluation.measure import measure
from scc_core.evaluation.threat import Adaptive, Threat
from scc_core.models.base import Meter, ZeroShotModel
from scc_core.outcomes import MAX_SCORED_CLASSES, Outcomes
from tests.scc_core.conftest import ConvTower, LinearTower, prompts
from tests.scc_core.evaluation.test_measure import RandomImages


def outcomes(size: int, classes: int | None) -> Outcomes:
    rng = np.random.default_rng(size)
    numbers = np.arange(size)
    scores = None if classes is None else rng.random((size, classes)).astype(np.float16)
    margins, confidences = rng.random((2, size)).astype(np.float32)
    return Outcomes(numbers, numbers.astype(np.int32), numbers.astype(np.int32), margins, confidences, scores)


@pytest.mark.parametrize("classes", [None, 3])
def test_rows_of_outcomes_concatenate_to_the_whole(classes):
    whole = outcomes(11, classes)
    joined = Outcomes.concatenate([whole.rows(0, 4), whole.rows(4, 5), whole.rows(5, 11)])
    for name in ("sample_ids", "margins", "confidences", "scores"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(whole, name))
    assert (whole.rows(2, 5).scores is None) == (classes is None)


def test_costs_add_and_peaks_take_the_larger():
    assert Cost(1.0, 2, 3, 500.0) + Cost(0.5, 1, 1, 700.0) == Cost(1.5, 3, 4, 700.0)
    assert (Cost(1.0, 2, 3, 500.0) + Cost()).peak_memory_mib == 500.0
    assert (Cost() + Cost()).peak_memory_mib is None
    assert Cost(0, 1, 1, None, 5, 3) + Cost(0, 1, 1, None, 2, 1) == Cost(0, 2, 2, None, 7, 4)
    assert Cost(1.0, 2, 3, 500.0, 4, 5).times(10) == Cost(10.0, 20, 30, 500.0, 40, 50)
    assert Cost(1.0, 2, 3, 500.0, 4, 5).work == 2 + 2 * 3


def test_peak_memory_is_that_since_entry_on_a_gpu_and_unknown_on_cpu(monkeypatch):
    calls = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: calls.append("synchronize"))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: calls.append("reset"))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 3 * 2**20 + 2**19)
    peaks = {}
    for name in ("cuda", "cpu"):
        model = SimpleNamespace(model=SimpleNamespace(device=torch.device(name)), meter=Meter())
        with evaluation._timed(model) as timed:
            calls.append("work")
        peaks[name] = timed.total.peak_memory_mib
    assert peaks == {"cuda": 3.5, "cpu": None}
    assert calls == ["synchronize", "reset", "work", "synchronize", "work"]


@dataclass(frozen=True)
class HalfMasked(Defense):
    """Rounds the pixels of images whose first pixel is bright; the others it leaves alone."""

    gradients = ("unrolled",)

    def classify(self, model, images, noise):
        bright = (images[:, 0, 0, 0] > 0.5).reshape(-1, 1, 1, 1)
        return model(torch.where(bright, (images * 31).round() / 31, images))


def results(attack, batch_size: int = 50, defense: Defense | None = None, adaptive: Adaptive | None = None):
    measurement = measure(
        ZeroShotModel(ConvTower(), prompts(4)),
        PreparedDataset(RandomImages(), "native", 8),
        [0, 1, 2],
        threat=Threat(attack and Component.of(attack), 0.5 / 255, adaptive),
        defenses={"cell": Component.of(defense or NoDefense())},
        batch_size=batch_size,
    )
    assert not measurement.failures
    return measurement.results


def zero_gradients(*arguments, **changes) -> list[int | None]:
    return [result.zero_gradients for result in results(*arguments, **changes)]


@pytest.mark.parametrize("batch_size", [1, 7, 64, 1000])
def test_samples_without_a_gradient_are_counted_for_every_batch_size(batch_size):
    masked = {"defense": HalfMasked(), "adaptive": Adaptive("unrolled")}
    # Half of the first pixels are bright, and none comes near the border within half a grey level.
    bright = np.array([RandomImages().image(index)[0, 0, 0] > 127.5 for index in range(130)])
    order = np.concatenate([result.outcomes.sample_ids for result in results(None)])
    expected = [int(bright[order[start : start + 50]].sum()) for start in (0, 50, 100)]
    attack = PGD(num_steps=2, random_start=False)
    assert zero_gradients(attack, batch_size, **masked) == expected
    assert zero_gradients(attack, batch_size) == [0, 0, 0]
    assert 40 < sum(expected) < 90


@pytest.mark.parametrize(
    ("attack", "expected"),
    [
        (None, None),
        (Square(num_queries=3), None),
        (AutoAttack(attacks="square", num_queries=3), None),
        (FGSM(), 0),
        (APGD(num_steps=2), 0),
        (AutoAttack(attacks="fab-t+square", num_steps=2, num_queries=3), 0),
    ],
    ids=["clean", "square", "only square", "fgsm", "apgd", "with gradients"],
)
def test_only_attacks_that_compute_gradients_report_them(attack, expected):
    assert zero_gradients(attack) == [expected] * 3


def test_a_gradient_that_was_ever_there_counts(noise):
    meter = Meter()
    with meter.attack_gradients() as steepest:
        meter.note_gradients(torch.tensor([5, 6]), torch.tensor([0.0, 2.0]))
        meter.note_gradients(torch.tensor([6, 5]), torch.tensor([0.0, 1.0]))
        assert steepest == {5: 1.0, 6: 2.0}
    with meter.attack_gradients() as steepest:
        assert steepest == {}


@pytest.mark.parametrize(("classes", "scored"), [(MAX_SCORED_CLASSES, True), (MAX_SCORED_CLASSES + 1, False)])
def test_scores_are_kept_for_few_classes_only(classes, scored):
    tower = LinearTower(torch.randn(classes, 192, generator=torch.Generator().manual_seed(0)))
    model = ZeroShotModel(tower, prompts(classes))
    dataset = PreparedDataset(RandomImages(), "native", 8)
    batch = dataset.batch(range(6), torch.device("cpu"))
    none = {"cell": Component.of(NoDefense())}
    defended = evaluation.evaluate(model, batch, threat=Threat(None, 0.0), defenses=none).defended["cell"]
    if not scored:
        assert defended.outcomes.scores is None
        return
    expected = torch.softmax(model(batch.pixels), dim=1).numpy()
    assert defended.outcomes.scores.dtype == np.float16
    np.testing.assert_allclose(defended.outcomes.scores, expected, atol=5e-4)
    np.testing.assert_array_equal(defended.outcomes.scores, expected.astype(np.float16))
