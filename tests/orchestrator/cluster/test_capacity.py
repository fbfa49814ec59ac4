"""The capacity: slots by kind of device, for clusters of many kinds, and what is refused before a run."""

from __future__ import annotations

import math

import numpy as np
import pytest

from orchestrator.cluster import capacity
from orchestrator.cluster.capacity import ClusterCapacity, Node, cluster_capacity
from orchestrator.cluster.options import Devices, RunOptions
from scc_core.errors import UserError
from tests.orchestrator.clock import Clock

HEAD, CPU, SMALL, BIG = Node("h", 0, 0), Node("c", 16, 0), Node("s", 8, 1), Node("b", 64, 4)


def slots_by_kind(nodes, **options):
    return {one.kind: one.count for one in ClusterCapacity(RunOptions(**options), True, lambda: nodes).slots()}


@pytest.mark.parametrize(
    ("nodes", "options", "expected"),
    [
        ([HEAD, SMALL, BIG], {}, {"gpu": 5}),
        ([HEAD, SMALL, BIG], {"gpus_per_worker": 0.5}, {"gpu": 10}),
        ([HEAD, SMALL, BIG], {"gpus_per_worker": 0.3}, {"gpu": 15}),
        ([HEAD, SMALL, BIG], {"gpus_per_worker": 2}, {"gpu": 2}),
        ([HEAD, CPU], {}, {"cpu": 16}),
        ([HEAD, CPU], {"num_workers": 4}, {"cpu": 16}),
        ([CPU, CPU], {"num_workers": 1}, {"cpu": 32}),
        ([CPU, SMALL], {}, {"gpu": 1}),
        ([CPU, SMALL], {"devices": Devices.CPU}, {"cpu": 24}),
        ([CPU, SMALL], {"devices": Devices.ALL}, {"gpu": 1, "c": 16}),
        ([HEAD], {}, {"gpu": 0}),
        ([HEAD], {"devices": Devices.CPU}, {"cpu": 0}),
    ],
)
def test_slots_by_kind(nodes, options, expected):
    assert slots_by_kind(nodes, **options) == expected


def test_a_worker_on_a_gpu_uses_its_part_of_the_cores_but_fits_smaller_nodes():
    (slots,) = ClusterCapacity(RunOptions(gpus_per_worker=0.5), True, lambda: [SMALL, BIG]).slots()
    assert (slots.resources.num_cpus, slots.resources.num_gpus, slots.resources.threads) == (1.0, 0.5, 4)
    (few,) = ClusterCapacity(RunOptions(gpus_per_worker=0.25), True, lambda: [Node("n", 2, 1)]).slots()
    assert (few.resources.num_cpus, few.resources.threads) == (0.5, 1)


def test_a_worker_beside_gpus_is_bound_to_its_node():
    gpu, cpu = ClusterCapacity(RunOptions(devices=Devices.ALL), True, lambda: [SMALL, CPU]).slots()
    assert (gpu.resources.node, cpu.resources.node) == (None, "c")
    assert (cpu.resources.num_cpus, cpu.resources.threads, cpu.resources.num_gpus) == (1, 1, 0)


@pytest.mark.parametrize("num_workers", [None, 1, 3])
def test_a_cpu_worker_has_the_threads_that_the_grid_says_whatever_the_cores_and_the_workers(num_workers):
    (slots,) = ClusterCapacity(RunOptions(num_workers=num_workers), True, lambda: [CPU, Node("d", 7, 0)]).slots()
    assert (slots.resources.threads, slots.resources.num_cpus, slots.count) == (1, 1, 23)
    options = RunOptions(num_workers=num_workers)
    (slots,) = ClusterCapacity(options, True, lambda: [CPU, Node("d", 7, 0)], cpu_threads=4).slots()
    assert (slots.resources.threads, slots.resources.num_cpus, slots.count) == (4, 4, 5)


def test_more_threads_than_the_machine_has_cores_are_refused(monkeypatch):
    monkeypatch.setattr(capacity, "living_nodes", lambda: [CPU])
    with pytest.raises(UserError, match="cpu_threads is 17, but this machine offers 16 CPU cores"):
        cluster_capacity(RunOptions(), cpu_threads=17)
    with pytest.raises(UserError, match="--workers 3 is more than the cluster has: 2 slots of 8 threads"):
        cluster_capacity(RunOptions(num_workers=3), cpu_threads=8)


def test_nodes_are_read_again_after_some_seconds():
    clock, nodes = Clock(), [CPU]
    changing = ClusterCapacity(RunOptions(), True, lambda: nodes, clock)
    nodes.append(CPU)
    assert changing.slots()[0].count == 16
    clock.now += 5.0
    assert changing.slots()[0].count == 32


@pytest.mark.parametrize(
    ("nodes", "options", "message"),
    [
        ([CPU], {"devices": Devices.GPU, "address": "x:1"}, "needs a GPU, but the Ray cluster has 1 nodes with 16 CPU"),
        ([CPU], {"devices": Devices.ALL}, "--devices all needs a GPU"),
        ([SMALL], {"gpus_per_worker": 2}, "--gpus-per-worker 2 is more than any node has"),
        ([CPU], {"num_workers": 17}, "--workers 17 is more than the cluster has: 16 CPU cores"),
        ([SMALL], {"num_workers": 2}, "--workers 2 is more than the cluster has: 1 GPU"),
        ([HEAD], {}, "neither a GPU nor a CPU core"),
    ],
)
def test_what_a_cluster_lacks_is_said_before_a_run(monkeypatch, nodes, options, message):
    monkeypatch.setattr(capacity, "living_nodes", lambda: nodes)
    with pytest.raises(UserError, match=message):
        cluster_capacity(RunOptions(**options))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"num_workers": 0}, "num_workers is 0, expected a whole number, 1 or more"),
        ({"num_workers": "2"}, "num_workers is '2', expected a whole number"),
        ({"num_workers": True}, "num_workers is True, expected a whole number"),
        ({"batch_size": 0}, "batch_size is 0, expected a whole number, 1 or more"),
        ({"batch_size": 2.5}, "batch_size is 2.5, expected a whole number"),
        ({"devices": "cpus"}, "unknown devices 'cpus'. Did you mean 'cpu'"),
        ({"gpus_per_worker": 1.5}, "gpus_per_worker is 1.5; it is a fraction of one GPU or a whole number"),
        ({"gpus_per_worker": 0}, "gpus_per_worker is 0; it is a fraction"),
        ({"gpus_per_worker": "half"}, "gpus_per_worker is 'half'; it is a fraction"),
        ({"hang_seconds": 0}, "hang_seconds is 0, expected a number of seconds, 1 or more"),
        ({"hang_seconds": math.nan}, "hang_seconds is nan, expected a number of seconds"),
        ({"address": 6379}, "address is 6379, expected auto, HOST:PORT"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_wrong_option_is_said_before_any_ray_is_started(option, message):
    with pytest.raises(UserError, match=message):
        RunOptions(**option)


def test_options_come_as_texts_and_as_numbers_of_numpy():
    options = RunOptions(num_workers=np.int64(2), devices="cpu", gpus_per_worker=np.float32(0.5))
    assert options == RunOptions(num_workers=2, devices=Devices.CPU, gpus_per_worker=0.5)
    assert type(options.num_workers) is int
    assert options.devices is Devices.CPU


def test_a_cluster_of_a_bare_head_is_waited_for(monkeypatch):
    """Its autoscaler adds nodes once workers are requested."""
    monkeypatch.setattr(capacity, "living_nodes", lambda: [HEAD])
    made = cluster_capacity(RunOptions(address="head:6379"))
    assert made.can_grow
    assert made.slots()[0].resources.num_gpus == 1.0
