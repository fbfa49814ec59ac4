"""The bench: one model kept, memory errors halved away, a plan for other weights refused."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch

from scc_core.attacks import FGSM
from scc_core.components.component import Component
from scc_core.datasets import dataset_code, open_dataset
from scc_core.datasets.order import sample_order
from scc_core.defenses import Defense
from scc_core.environment import environment_of
from scc_core.evaluation.threat import Threat
from scc_core.identity import DatasetSpec, ModelSpec
from scc_core.machine.arithmetic import fixed_arithmetic
from scc_core.models import model_code
from scc_core.prompts import prompts_digest
from tests.components import NoiseImages, tiny
from workers.bench import Bench
from workers.shard import Shard

PGD = Component("attack", "pgd", {"num_steps": 2})
NONE = Component("defense", "none")
HUNGRY = Component("defense", "tests.workers.test_bench:FitsTwelve")
OWN_ATTACK = Component("attack", "tests.workers.test_bench:Still")
PROMPTS = prompts_digest(NoiseImages().prompts())
DATASET = DatasetSpec("tests.components:noise_images", "1", "test", "1", "native", PROMPTS, classes=4, size=800)
SHARD = Shard(
    model=ModelSpec("tests.components:tiny", "00" * 32),
    dataset=DATASET,
    precision="float32",
    threat=Threat(PGD, 4 / 255),
    defenses={"n": NONE, "t": Component("defense", "ttc", {"tau": 0.3})},
    blocks=(2, 3),
)


@dataclass(frozen=True)
class Still(FGSM):
    """Leaves the images as they are."""

    def perturb(self, model, pixels, labels, epsilon, noise):
        return pixels


@dataclass(frozen=True)
class FitsTwelve(Defense):
    """Raises torch's own error above twelve images, as a full GPU does."""

    def classify(self, model, images, noise):
        if len(images) > 12:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return model(images)


def test_a_shard_gives_every_cell_s_blocks():
    bench = Bench("cpu", batch_size=33)
    measurement = bench.run(SHARD)
    assert measurement.failures == {}
    assert {result.worker for result in measurement.results} == {bench.name}
    assert [(result.cell, result.block, len(result.outcomes)) for result in measurement.results] == [
        ("n", 2, 50),
        ("t", 2, 50),
        ("n", 3, 50),
        ("t", 3, 50),
    ]


def test_the_model_is_loaded_once(monkeypatch):
    loads = []
    load = type(tiny).load
    monkeypatch.setattr(type(tiny), "load", lambda self, device: loads.append(device) or load(self, device))
    bench = Bench("cpu")
    bench.run(SHARD)
    bench.run(replace(SHARD, blocks=(0,), threat=Threat(PGD, 4 / 255, seed=1)))
    assert len(loads) == 1


def sizes_seen(monkeypatch, fits=lambda seen: seen[-1] <= 12):
    """Return a list that grows by the size of every batch of ``FitsTwelve``, which takes those that fit."""
    seen: list[int] = []

    def classify(self, model, images, noise):
        seen.append(len(images))
        if not fits(seen):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return model(images)

    monkeypatch.setattr(FitsTwelve, "classify", classify)
    return seen


@pytest.mark.numerics
def test_running_out_of_memory_halves_the_batch_for_good_and_changes_no_prediction(monkeypatch):
    seen = sizes_seen(monkeypatch)
    bench = Bench("cpu", batch_size=50)
    measurement = bench.run(replace(SHARD, defenses={"h": HUNGRY}))
    assert seen == [50, 25, *[12, 12, 12, 12, 2] * 2]
    bench.run(replace(SHARD, defenses={"h": HUNGRY}, blocks=(4,)))
    assert seen[12:] == [12, 12, 12, 12, 2]
    calm = Bench("cpu", batch_size=50).run(replace(SHARD, defenses={"h": NONE}))
    for one, two in zip(measurement.results, calm.results, strict=True):
        assert one.outcomes.predictions.tolist() == two.outcomes.predictions.tolist()


def test_a_shard_may_ask_for_a_smaller_batch_and_gets_it_alone(monkeypatch):
    seen = sizes_seen(monkeypatch, fits=lambda seen: True)
    bench = Bench("cpu", batch_size=50)
    assert bench.run(replace(SHARD, defenses={"h": HUNGRY}, blocks=(2,), max_batch_size=10)).failures == {}
    assert bench.run(replace(SHARD, defenses={"h": HUNGRY}, blocks=(2,))).failures == {}
    assert seen == [10] * 5 + [50]


def test_memory_that_runs_out_below_a_shard_s_own_batch_is_halved_from_there(monkeypatch):
    seen = sizes_seen(monkeypatch)
    shard = replace(SHARD, defenses={"h": HUNGRY}, max_batch_size=20, blocks=(2,))
    assert Bench("cpu", batch_size=50).run(shard).failures == {}
    assert seen == [20, 10, 10, 10, 10, 10]


def test_memory_that_runs_out_in_the_middle_of_a_shard_repeats_only_the_block_at_hand(monkeypatch):
    seen = sizes_seen(monkeypatch, fits=lambda seen: len(seen) != 2)
    report = Bench("cpu", batch_size=50).run(replace(SHARD, defenses={"h": HUNGRY}, blocks=(0, 1, 2)))
    assert report.failures == {}
    assert [result.block for result in report.results] == [0, 1, 2]
    assert seen == [50, 50, 25, 25, 25, 25]


def test_a_worker_that_drains_finishes_its_blocks_and_returns_the_others(monkeypatch):
    bench = Bench("cpu", batch_size=50)
    monkeypatch.setattr(FitsTwelve, "classify", lambda self, model, images, noise: bench.drain() or model(images))
    told = {"n": NONE, "h": HUNGRY}
    report = bench.run(replace(SHARD, defenses=told, blocks=(4, 5, 6)))
    assert [(result.cell, result.block) for result in report.results] == [("n", 4), ("h", 4)]
    assert (report.unfinished, report.draining) == ((5, 6), True)
    late = bench.run(SHARD)
    assert (late.results, late.failures, late.unfinished, late.draining) == ([], {}, SHARD.blocks, True)


def test_a_cell_that_fails_in_the_middle_of_a_shard_brings_none_of_its_blocks(monkeypatch):
    calls = []

    def classify(self, model, images, noise):
        calls.append(len(images))
        if len(calls) == 2:
            raise RuntimeError("the second block")
        return model(images)

    monkeypatch.setattr(FitsTwelve, "classify", classify)
    mixed = {"n": NONE, "h": HUNGRY}
    report = Bench("cpu", batch_size=50).run(replace(SHARD, defenses=mixed, blocks=(0, 1, 2)))
    assert [(result.cell, result.block) for result in report.results] == [("n", 0), ("n", 1), ("n", 2)]
    assert report.failures["h"].error == "RuntimeError: the second block"
    assert len(calls) == 2


def test_memory_that_never_suffices_fails_the_cells(monkeypatch):
    monkeypatch.setattr(FitsTwelve, "classify", _always_out_of_memory)
    measurement = Bench("cpu", batch_size=8).run(replace(SHARD, defenses={"h": HUNGRY}))
    assert "OutOfMemoryError" in measurement.failures["h"].error


def _always_out_of_memory(self, model, images, noise):
    raise torch.OutOfMemoryError("CUDA out of memory")


def unreadable() -> NoiseImages:
    """One image, in block 3, cannot be read."""
    dataset = NoiseImages()
    dataset.card = replace(dataset.card, name="tests.workers.test_bench:unreadable")
    broken = int(sample_order(dataset)[170])
    read = dataset.image
    dataset.image = lambda index: read(index) if index != broken else read(-1)  # type: ignore[method-assign]
    return dataset


def test_an_unreadable_image_fails_the_cells_of_its_shard_and_no_other():
    bench = Bench("cpu")
    shard = replace(SHARD, dataset=replace(DATASET, name="tests.workers.test_bench:unreadable"))
    failures = bench.run(shard).failures
    assert set(failures) == {"n", "t"}
    assert re.search(r"dataset tests\S+:unreadable could not read sample \d+: ValueError", failures["n"].error)
    assert bench.run(replace(shard, blocks=(2, 4))).failures == {}


@dataclass(frozen=True)
class AwaitsBlockThree(Defense):
    """Computes nothing before an image of block 3 is being read."""

    reached: ClassVar[threading.Event] = threading.Event()

    def classify(self, model, images, noise):
        assert self.reached.wait(60)
        return model(images)


def test_the_next_block_is_read_while_one_is_measured(monkeypatch, tmp_path):
    monkeypatch.setenv("SCCBENCH_CACHE", str(tmp_path))
    third = set(sample_order(NoiseImages())[150:200].tolist())
    read = NoiseImages.image
    seen = AwaitsBlockThree.reached
    monkeypatch.setattr(NoiseImages, "image", lambda self, at: (at in third and seen.set()) or read(self, at))
    awaiting = {"a": Component("defense", "tests.workers.test_bench:AwaitsBlockThree")}
    report = Bench("cpu", batch_size=50).run(replace(SHARD, threat=Threat(None, 0.0), defenses=awaiting))
    assert report.failures == {}
    assert [result.block for result in report.results] == [2, 3]


@pytest.mark.numerics
def test_images_are_decoded_once_for_all_shards_and_benches(monkeypatch, tmp_path):
    monkeypatch.setenv("SCCBENCH_CACHE", str(tmp_path))
    reads = []
    read = NoiseImages.image
    monkeypatch.setattr(NoiseImages, "image", lambda self, index: reads.append(index) or read(self, index))
    first = Bench("cpu", batch_size=30).run(SHARD)
    assert len(reads) == len(set(reads)) == 100
    second = Bench("cpu", batch_size=45).run(replace(SHARD, blocks=(2, 3, 4)))
    assert len(reads) == len(set(reads)) == 150
    assert [result.outcomes.predictions.tolist() for result in second.results if result.block != 4] == [
        result.outcomes.predictions.tolist() for result in first.results
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"model": ModelSpec("tests.components:tiny", "11" * 32)},
            "have digest 000000000000, but the run was planned for 111111111111",
        ),
        (
            {"model": replace(SHARD.model, code="ab" * 32)},
            "code of model 'tests.components:tiny' on .* is [0-9a-f]{12}, but the run was planned for abababababab",
        ),
        (
            {"dataset": replace(DATASET, code="version 2")},
            "code of dataset 'tests.components:noise_images' on .* is [0-9a-f]{12}, but .* planned for version 2",
        ),
        (
            {"threat": Threat(replace(OWN_ATTACK, code="ab" * 32), 4 / 255)},
            "code of attack 'tests.workers.test_bench:Still' on .* is [0-9a-f]{12}, but .* planned for abababababab",
        ),
        (
            {"defenses": {"n": NONE, "t": replace(HUNGRY, code="ab" * 32)}},
            "code of defense 'tests.workers.test_bench:FitsTwelve' on .* is .*, but .* planned for abababababab",
        ),
        (
            {"dataset": replace(DATASET, version="2")},
            r"has another version than the run was planned for: 1, not 2 \(on .*\)",
        ),
        ({"model": ModelSpec("tests.components:missing", "")}, "cannot be imported"),
        ({"threat": Threat(Component("attack", "pgd", {"num_steps": 0}), 4 / 255)}, "out of range"),
    ],
)
def test_what_does_not_match_the_plan_fails_its_cells_with_the_reason(changes, message):
    measurement = Bench("cpu").run(replace(SHARD, **changes))
    assert measurement.results == []
    assert set(measurement.failures) == {"n", "t"}
    for failure in measurement.failures.values():
        assert re.search(message, failure.error)


def test_every_block_carries_the_environment_that_the_worker_tells():
    bench = Bench("cpu", batch_size=50)
    with fixed_arithmetic(bench.device):
        here = environment_of(bench.device, batch_size=50)
    assert bench.info().environment == here
    results = bench.run(replace(SHARD, blocks=(0, 1))).results
    assert results
    assert {result.environment for result in results} == {here}


def test_what_has_the_planned_code_is_measured():
    name, data = SHARD.model.name, DATASET.name
    shard = replace(
        SHARD,
        model=replace(SHARD.model, code=model_code(name)),
        dataset=replace(DATASET, code=dataset_code(data, open_dataset(data))),
        threat=Threat(OWN_ATTACK.resolved(), 4 / 255),
        defenses={"n": NONE, "t": HUNGRY.resolved()},
    )
    assert None not in (shard.model.code, shard.dataset.code, shard.threat.attack.code, shard.defenses["t"].code)
    measurement = Bench("cpu", batch_size=10).run(shard)
    assert (measurement.failures, len(measurement.results)) == ({}, 4)
