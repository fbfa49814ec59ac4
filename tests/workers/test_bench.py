"""The bench: one model kept, memory errors halved away, a plan for other weights refused."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import pytest
import torch

from scc_core.datasets.sampling import sample_order
from scc_core.defenses import Defense
from scc_core.outcomes import Cost
from tests.components import NoiseImages, tiny
from workers.bench import Bench
from workers.shard import ComponentRequest, Shard

SHARD = Shard(
    model="tests.components:tiny",
    model_digest="00" * 32,
    dataset="tests.components:noise_images",
    dataset_version="1",
    preprocessing="native",
    precision="float32",
    attack=ComponentRequest("pgd", {"num_steps": 2}),
    epsilon=4 / 255,
    seed=0,
    defenses={"n": ComponentRequest("none"), "t": ComponentRequest("ttc", {"tau": 0.3})},
    blocks=(2, 3),
)


@dataclass(frozen=True)
class FitsTwelve(Defense):
    """Raises torch's own error above twelve images, as a full GPU does."""

    def classify(self, model, images, noise):
        if len(images) > 12:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return model(images)

    def nominal_cost(self):
        return Cost(forwards=1)


def test_a_shard_gives_every_cell_s_blocks():
    measurement = Bench("cpu", batch_size=33).run(SHARD)
    assert measurement.failures == {}
    assert [(result.cell, result.block, len(result.outcomes)) for result in measurement.results] == [
        ("n", 2, 50),
        ("n", 3, 50),
        ("t", 2, 50),
        ("t", 3, 50),
    ]


def test_the_model_is_loaded_once(monkeypatch):
    loads = []
    load = type(tiny).load
    monkeypatch.setattr(type(tiny), "load", lambda self, device: loads.append(device) or load(self, device))
    bench = Bench("cpu")
    bench.run(SHARD)
    bench.run(replace(SHARD, blocks=(0,), seed=1))
    assert len(loads) == 1


def test_running_out_of_memory_halves_the_batch_for_good_and_changes_no_prediction():
    bench = Bench("cpu", batch_size=50)
    hungry = replace(SHARD, defenses={"h": ComponentRequest("tests.workers.test_bench:FitsTwelve")})
    measurement = bench.run(hungry)
    assert bench.batch_size == 12
    calm = Bench("cpu", batch_size=50).run(replace(SHARD, defenses={"h": ComponentRequest("none")}))
    for one, two in zip(measurement.results, calm.results, strict=True):
        assert one.outcomes.predictions.tolist() == two.outcomes.predictions.tolist()


def test_a_shard_may_ask_for_a_smaller_batch_and_gets_it_alone():
    bench = Bench("cpu", batch_size=50)
    hungry = {"h": ComponentRequest("tests.workers.test_bench:FitsTwelve")}
    assert bench.run(replace(SHARD, defenses=hungry, max_batch_size=10)).failures == {}
    assert bench.batch_size == 50


def test_memory_that_never_suffices_fails_the_cells(monkeypatch):
    monkeypatch.setattr(FitsTwelve, "classify", _always_out_of_memory)
    measurement = Bench("cpu", batch_size=8).run(
        replace(SHARD, defenses={"h": ComponentRequest("tests.workers.test_bench:FitsTwelve")})
    )
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
    shard = replace(SHARD, dataset="tests.workers.test_bench:unreadable")
    failures = bench.run(shard).failures
    assert set(failures) == {"n", "t"}
    assert re.search(r"dataset tests\S+:unreadable could not read sample \d+: ValueError", failures["n"].error)
    assert bench.run(replace(shard, blocks=(2, 4))).failures == {}


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
        ({"model_digest": "11" * 32}, "have digest 000000000000, but the run was planned for 111111111111"),
        ({"dataset_version": "2"}, "has version 1 on .*, but the run was planned for 2"),
        ({"model": "tests.components:missing"}, "cannot be imported"),
        ({"attack": ComponentRequest("pgd", {"num_steps": 0})}, "out of range"),
    ],
)
def test_what_does_not_match_the_plan_fails_its_cells_with_the_reason(changes, message):
    measurement = Bench("cpu").run(replace(SHARD, **changes))
    assert measurement.results == []
    assert set(measurement.failures) == {"n", "t"}
    for failure in measurement.failures.values():
        assert re.search(message, failure.error)
