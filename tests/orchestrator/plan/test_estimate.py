"""Estimates per kind of device: only from what was measured, or a bound that says that it is one."""

from __future__ import annotations

import json

import pytest

from orchestrator.plan.device_figures import kernel_figures, reference, tower_flops, tower_of
from orchestrator.plan.estimate import Speed, device_estimates, flops, stored_speeds
from orchestrator.store import DeviceTotals
from scc_core.cost import Cost
from tests.orchestrator.console import ROOT

BIOMEDCLIP = "hf-hub:microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224"


def test_the_shipped_kernel_figures_know_the_towers_of_the_published_models():
    assert tower_of("openai/ViT-B-32", "anything") == "ViT-B-32"
    assert tower_of(BIOMEDCLIP, "anything") == "BiomedCLIP"
    assert tower_of("hf-hub:someone/else", "ViT-L-14") == "ViT-L-14"
    assert tower_flops(tower_of("demo-clip", "open_clip CLIP, 64 px")) is None
    tower = tower_flops("ViT-B-32")
    # 4.4 billion multiply-adds are the published cost of ViT-B/32's image tower.
    assert tower.forward_flops == pytest.approx(8.8e9, rel=0.01)
    assert tower.backward_flops == pytest.approx(tower.forward_flops, rel=0.02)


def test_a_name_of_other_image_size_is_no_tower_that_was_measured():
    assert tower_flops(tower_of("openai/ViT-L-14-336", "ViT-L-14-336")) is None


RESULTS = sorted((ROOT / "benchmarks" / "results").glob("kernels-*.json"))


@pytest.mark.parametrize(("path", "figures"), list(zip(RESULTS, kernel_figures(), strict=True)), ids=lambda one: "")
def test_kernel_figures_are_the_medians_of_the_files_with_machine_and_day(path, figures):
    document = json.loads(path.read_text(encoding="utf-8"))
    rates = {
        row["kind"]: row["images_per_second"]["median"]
        for row in document["rows"]
        if row["model"] == "ViT-B-32" and row["kind"] in ("clean", "gradient") and row["precision"] == "float32"
    }
    assert figures.device in ("AMD EPYC, 1 thread", "NVIDIA H200")
    assert document["environment"]["date"].startswith(figures.date)
    assert figures.note == document["environment"]["note"]
    seconds = figures.seconds["ViT-B-32", "float32"]
    assert seconds.forward == pytest.approx(1 / rates["clean"])
    assert seconds.forward + seconds.backward == pytest.approx(1 / rates["gradient"])


def test_stored_speeds_count_a_backward_as_two_forwards_and_keep_precisions_apart():
    totals = [
        DeviceTotals("GPU", "a", "float32", seconds=60.0, forwards=100, backwards=250),
        DeviceTotals("GPU", "a", "bfloat16", seconds=1.0, forwards=100, backwards=250),
        DeviceTotals("cpu x 1", "a", "float32", seconds=0.0, forwards=0, backwards=0),
    ]
    assert stored_speeds(totals, "float32") == {"GPU": {"a": Speed(0.1, "database")}}


def estimates(stored=None, precision: str = "float32"):
    passes = {"openai/ViT-B-32": Cost(forwards=1_000_000, backwards=500_000), "own": Cost(forwards=100, backwards=50)}
    towers = {"openai/ViT-B-32": "ViT-B-32", "own": "own"}
    return {(one.device, one.basis): one for one in device_estimates(passes, towers, stored or {}, precision)}


def test_an_estimate_says_where_it_is_from_and_what_it_leaves_out():
    stored = {"GPU": {"own": Speed(0.5, "database")}}
    found = estimates(stored)
    measured = found["GPU", "database"]
    assert (measured.seconds, list(measured.unknown)) == (100.0, ["openai/ViT-B-32"])
    kernels = found["AMD EPYC, 1 thread", "kernels"]
    seconds = kernel_figures()[0].seconds["ViT-B-32", "float32"]
    assert kernels.seconds == pytest.approx(1e6 * seconds.forward + 5e5 * seconds.backward)
    assert list(kernels.unknown) == ["own"]
    assert kernel_figures()[0].date in kernels.detail


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_bound_is_the_operations_at_the_peak_of_the_data_sheet(precision):
    tower = tower_flops("ViT-B-32")
    operations = 1e6 * tower.forward_flops + 5e5 * tower.backward_flops
    bounds = {device: one for (device, basis), one in estimates(precision=precision).items() if basis == "bound"}
    assert set(bounds) == set(reference().peaks)
    for device, bound in bounds.items():
        assert bound.seconds == pytest.approx(operations / (reference().peaks[device][precision] * 1e12))
        assert list(bound.unknown) == ["own"]


def test_a_precision_that_was_never_measured_has_no_measurement():
    assert {basis for _, basis in estimates(precision="bfloat16")} == {"bound"}


def test_a_model_without_figures_gives_no_estimate_at_all():
    assert device_estimates({"own": Cost(forwards=100, backwards=50)}, {"own": "own"}, {}, "float32") == []
    assert flops({"own": Cost(forwards=100, backwards=50)}, {"own": "own"}) is None
