"""The library: by name or by object, the numbers are those of the evaluation itself."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
import torch

import scc_core
from scc_core.attacks import PGD
from scc_core.components.component import Component
from scc_core.datasets import PreparedDataset, open_dataset
from scc_core.defenses import Defense, Flip
from scc_core.evaluation.evaluate import evaluate as evaluate_batch
from scc_core.evaluation.metrics import wilson_interval
from scc_core.evaluation.threat import STRONGEST, Threat
from scc_core.models import ZeroShotModel
from tests.components import NoiseImages
from tests.scc_core.conftest import ConvTower

EPSILON = 16 / 255


@pytest.fixture
def model() -> ConvTower:
    tower = ConvTower()
    tower.name = "conv"
    return tower


def expected(model, defense, *, adaptive=None, seed=0, samples=60):
    """What the evaluation says of the first samples of the fixed order, in one batch."""
    dataset = NoiseImages()
    batch = PreparedDataset(dataset, "native", model.image_size).batch(range(samples), torch.device("cpu"))
    threat = Threat(Component("attack", "pgd").resolved(), EPSILON, adaptive, seed)
    classifier = ZeroShotModel(model, dataset.prompts())
    found = evaluate_batch(classifier, batch, threat=threat, defenses={"it": Component("defense", defense).resolved()})
    return found.defended["it"].outcomes


@pytest.mark.parametrize("defense", ["none", "flip", "random-noise", "ttc"])
@pytest.mark.parametrize("seed", [0, 3])
def test_the_numbers_are_those_of_the_evaluation(model, defense, seed):
    names = ["none", "ttc", "flip", "random-noise"]
    results = scc_core.evaluate(model, NoiseImages(), "pgd", EPSILON, names, seed=seed, max_samples=60, batch_size=25)
    assert list(results) == names
    wanted = expected(model, defense, seed=seed)
    outcomes = results[defense].outcomes
    np.testing.assert_array_equal(outcomes.sample_ids, wanted.sample_ids)
    np.testing.assert_array_equal(outcomes.predictions, wanted.predictions)
    np.testing.assert_allclose(outcomes.margins, wanted.margins, atol=1e-4)
    assert results[defense].accuracy == np.mean(wanted.predictions == wanted.labels)
    assert results[defense].interval == wilson_interval(int(wanted.correct.sum()), 60)


def test_an_attack_that_knows_the_defense_is_made_for_each(model):
    results = scc_core.evaluate(model, NoiseImages(), "pgd", EPSILON, ["none", "flip"], adaptive=True, max_samples=60)
    np.testing.assert_array_equal(
        results["flip"].outcomes.predictions, expected(model, "flip", adaptive=STRONGEST).predictions
    )
    # On the undefended model it is the transfer attack.
    np.testing.assert_array_equal(results["none"].outcomes.predictions, expected(model, "none").predictions)


@pytest.mark.parametrize(
    ("attack", "epsilon"), [(None, "4/255"), ("pgd", 0), ("pgd", "0/255")], ids=["no attack", "zero", "zero of 255"]
)
def test_clean_accuracy_needs_no_attack(model, attack, epsilon):
    results = scc_core.evaluate(model, NoiseImages(), attack, epsilon, ["none"], max_samples=40, adaptive=True)
    assert results.setting == "conv on tests.components:noise_images, 40 samples, clean"
    assert results["none"].attack_cost.forwards == 0
    batch = PreparedDataset(NoiseImages(), "native", 8).batch(range(40), torch.device("cpu"))
    logits = ZeroShotModel(model, NoiseImages().prompts())(batch.pixels)
    assert results["none"].accuracy == (logits.argmax(dim=1) == batch.labels).float().mean()


def test_images_are_taken_as_they_are_and_given_back_attacked(model):
    pixels = torch.rand(7, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    images = scc_core.Images(pixels, torch.arange(7) % 4, ("a", "b", "c", "d"))
    results = scc_core.evaluate(model, images, "fgsm", "3/255", ["none", "flip"], keep_images=True, batch_size=3)
    moved = (results["none"].images - pixels).abs()
    assert moved.shape == pixels.shape
    assert moved.amax(dim=(1, 2, 3)) == pytest.approx(torch.full((7,), 3 / 255), abs=1e-6)
    assert torch.equal(results["none"].images, results["flip"].images)
    assert scc_core.evaluate(model, images, "fgsm", "3/255", ["none"])["none"].images is None
    assert repr(images) == "Images(7 of 8 x 8 pixels, 4 classes)"


def test_components_are_names_mappings_objects_and_classes(model):
    @dataclass(frozen=True)
    class Own(Defense):
        """Classifies the mirrored image, too."""

        def classify(self, model, images, noise):
            return model(images.flip(-1))

    given = ["flip", {"shift": {"right": 2}}, Flip(), Own]
    results = scc_core.evaluate(model, NoiseImages(), PGD(num_steps=2), EPSILON, given, max_samples=30)
    assert list(results) == ["flip", "shift(right=2)", "Flip", "Own"]
    mirrored = results["flip"].outcomes.predictions
    assert all((results[name].outcomes.predictions == mirrored).all() for name in ("Flip", "Own"))
    assert (results["shift(right=2)"].outcomes.predictions != mirrored).any()


def test_results_print_in_a_line_each(model):
    results = scc_core.evaluate(model, NoiseImages(), "pgd", EPSILON, ["none", "flip"], max_samples=50)
    setting, none, flip = repr(results).splitlines()
    assert setting == "conv on tests.components:noise_images, 50 samples, pgd at 16/255 (transfer)"
    result = results["none"]
    assert none == f"  none: {result.accuracy:.3f} [{result.interval.low:.3f}, {result.interval.high:.3f}]"
    assert flip.startswith("  flip: ")


PIXELS = torch.zeros(2, 3, 8, 8)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"attack": "pdg"}, "Did you mean 'pgd'"),
        ({"attack": {"pgd": {"steps": 3}}}, "parameter of attack 'pgd'"),
        ({"attack": 3}, "3 is no attack: give a name"),
        ({"epsilon": 4}, "epsilon: 4 is outside .*; did you mean 4/255"),
        ({"epsilon": "four"}, "epsilon: 'four' is not a number"),
        ({"defenses": ["scx"]}, "Did you mean 'scc'"),
        ({"defenses": ["flip", "flip"]}, "defense flip is given twice"),
        ({"defenses": []}, "no defense is given"),
        ({"data": "demo/shape"}, "Did you mean 'demo/shapes'"),
        ({"model": "demo-clop"}, "Did you mean 'demo-clip'"),
        ({"device": "cuda:0"}, "the model is on cpu, not on cuda:0"),
        ({"batch_size": 0}, "batch_size is 0, expected 1 or more"),
        ({"max_samples": 0}, "max_samples is 0, expected 1 or more"),
        ({"precision": "float8"}, "float8"),
        ({"data": scc_core.Images(PIXELS[..., :4, :4], torch.zeros(2).long(), ("a",))}, "takes images of 8 pixels"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_is_wrong_is_one_line_before_any_compute(model, wrong, message):
    given = {"model": model, "data": NoiseImages(), "max_samples": 2, **wrong}
    with pytest.raises(scc_core.UserError, match=message) as error:
        scc_core.evaluate(**given)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("pixels", "labels", "message"),
    [
        (torch.zeros(2, 8, 8, 3), torch.zeros(2).long(), r"shape \(2, 8, 8, 3\), expected \(N, 3, S, S\)"),
        (torch.full((2, 3, 8, 8), 128.0), torch.zeros(2).long(), "divide 8-bit values by 255"),
        (torch.full((2, 3, 8, 8), torch.nan), torch.zeros(2).long(), "not floating-point numbers in"),
        (PIXELS, torch.zeros(3).long(), r"expected \(2,\): one per image"),
        (PIXELS, torch.tensor([0, 2]), r"labels lie in \[0, 2\], but there are 2 class names"),
    ],
)
def test_images_that_are_none_are_refused(pixels, labels, message):
    with pytest.raises(scc_core.UserError, match=message):
        scc_core.Images(pixels, labels, ("a", "b"))


def test_models_and_datasets_come_by_name():
    model = scc_core.load_model("demo-clip", "cpu")
    assert (model.name, model.device) == ("demo-clip", torch.device("cpu"))
    assert repr(model) == "OpenClipModel(demo-clip, 64 pixels, on cpu)"
    dataset = scc_core.load_dataset("demo/shapes")
    assert len(dataset) == len(open_dataset("demo/shapes"))
    assert repr(dataset) == f"RenderedDataset(demo/shapes, {len(dataset)} samples, 12 classes)"


def test_the_package_exports_what_it_names_and_loads_torch_only_for_it():
    assert all(getattr(scc_core, name) is not None for name in scc_core.__all__)
    assert set(scc_core.__all__) <= set(dir(scc_core))
    with pytest.raises(AttributeError, match="no attribute 'evaluat'"):
        scc_core.evaluat  # noqa: B018 - the access is the test
    code = "import sys, scc_core; print('torch' in sys.modules); scc_core.UserError; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
