"""The library: by name or by object, the numbers are those of the evaluation itself."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
import torch

import scc_core
from scc_core.attacks import PGD, Attack
from scc_core.components.component import Component
from scc_core.datasets import PreparedDataset, open_dataset
from scc_core.defenses import TTC, Defense, Flip, Shift
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
TWO_CLASSES = scc_core.Images(PIXELS, torch.tensor([0, 1]), ("a", "b"))


@dataclass(frozen=True)
class Secret(Defense):
    """Declares no gradients."""

    def correct(self, model, pixels, noise):
        return pixels.flip(-1)


@dataclass(frozen=True)
class Raises(Defense):
    def classify(self, model, images, noise):
        raise ZeroDivisionError("a\nb")


@dataclass(frozen=True)
class RaisingAttack(Attack):
    def perturb(self, model, pixels, labels, epsilon, noise):
        raise ZeroDivisionError("a\nb")

    def nominal_cost(self, num_classes):
        return scc_core.Cost()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"defenses": ["none", Raises]}, "model conv: defense Raises raised ZeroDivisionError: a b"),
        ({"attack": RaisingAttack}, "model conv: attack RaisingAttack raised ZeroDivisionError: a b"),
        (
            {"attack": RaisingAttack, "adaptive": True, "defenses": ["flip"]},
            "model conv: attack RaisingAttack through defense flip raised ZeroDivisionError: a b",
        ),
    ],
    ids=["defense", "attack", "adaptive"],
)
def test_what_a_component_raises_is_told_in_one_line_with_its_cause(model, given, message):
    with pytest.raises(scc_core.ComponentError) as error:
        scc_core.evaluate(model, TWO_CLASSES, **{"attack": "fgsm", "epsilon": EPSILON, "defenses": ["none"], **given})
    assert str(error.value) == message
    assert isinstance(error.value.__cause__, ZeroDivisionError)


@dataclass(frozen=True)
class TakesAllMemory(Defense):
    def correct(self, model, pixels, noise):
        raise torch.OutOfMemoryError("CUDA out of memory.")


def test_images_that_do_not_fit_ask_for_a_smaller_batch(model):
    with pytest.raises(scc_core.UserError, match="2 images at a time do not fit in the memory of cpu; lower batch"):
        scc_core.evaluate(model, TWO_CLASSES, None, 0, [TakesAllMemory])


def test_a_model_of_one_s_own_is_tried_before_it_is_measured(model):
    model.device = "cpu"
    with pytest.raises(scc_core.ComponentError, match=r"device is 'cpu', not the torch\.device that"):
        scc_core.evaluate(model, TWO_CLASSES, None, 0, ["none"])


def test_objects_that_differ_in_parameters_stand_beside_each_other(model):
    results = scc_core.evaluate(model, TWO_CLASSES, "fgsm", EPSILON, [Shift, Shift(right=2), Shift(right=3)])
    assert list(results) == ["Shift", "Shift(right=2)", "Shift(right=3)"]


def test_numbers_of_numpy_mean_what_those_of_python_mean(model):
    given = {"attack": PGD(num_steps=np.int64(2)), "epsilon": np.float32(EPSILON), "seed": np.int64(3)}
    of_numpy = scc_core.evaluate(model, NoiseImages(), defenses=["none"], max_samples=np.int64(30), **given)
    plain = scc_core.evaluate(model, NoiseImages(), PGD(num_steps=2), EPSILON, ["none"], max_samples=30, seed=3)
    assert repr(of_numpy) == repr(plain)
    np.testing.assert_array_equal(of_numpy["none"].outcomes.margins, plain["none"].outcomes.margins)


HINT = "papers write 1 for 1/255: write 1/255, or 255/255 if that is meant"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epsilon": 1.0}, f"epsilon: 1 is 255/255, above 64/255, the most that needs no unit; {HINT}"),
        ({"epsilon": 1}, HINT),
        ({"epsilon": "1"}, HINT),
        ({"epsilon": np.float64(0.5)}, "write 0.5/255, or 127.5/255 if that is meant"),
        ({"attack": PGD(step_size=1.0)}, f"step_size: 1 is 255/255, above twice the radius 16/255; {HINT}"),
        ({"attack": {"pgd": {"step_size": 1}}}, HINT),
        ({"attack": PGD(relative_step_size=3)}, "relative_step_size: 3 is above 2"),
        ({"attack": PGD(norm="l2", step_size=1.2), "epsilon": 0.5}, "1.2 (L2) is above twice the radius 0.5 (L2)"),
        ({"attack": PGD(norm="l2"), "epsilon": 101}, "epsilon: 101 is outside"),
        ({"defenses": [TTC(epsilon=1.0)]}, f"epsilon: 1 is 255/255, above 64/255, the most that needs no unit; {HINT}"),
        ({"defenses": [{"scc": {"step_size": 1}}]}, f"step_size: 1 is 255/255, above twice the radius 4/255; {HINT}"),
    ],
)
def test_a_number_that_has_probably_another_unit_is_refused(model, given, message):
    with pytest.raises(scc_core.UserError) as raised:
        scc_core.evaluate(model, TWO_CLASSES, **{"attack": "fgsm", "epsilon": EPSILON, "defenses": ["none"], **given})
    assert message in str(raised.value)


def test_a_text_in_255ths_is_taken_at_its_word(model):
    # An object like the one that was given its unit is no such object.
    for attack in (PGD(step_size="128/255", num_steps=1), {"pgd": {"step_size": "128/255", "num_steps": 1}}):
        defenses = [TTC(epsilon="255/255"), {"scc": {"sigma": "255/255"}}]
        results = scc_core.evaluate(model, TWO_CLASSES, attack, "128/255", defenses)
        assert results.setting.endswith("step_size=128/255) at 128/255 (transfer)")
    with pytest.raises(scc_core.UserError, match=r"step_size: 0.501961 is 128/255, above twice the radius 1/255"):
        scc_core.evaluate(model, TWO_CLASSES, PGD(step_size=128 / 255, num_steps=1), "1/255", ["none"])


@pytest.mark.parametrize("epsilon", [0.5, 3, 10])
def test_radii_of_l2_are_what_they_say(model, epsilon):
    attack = PGD(norm="l2", step_size=epsilon / 4, random_start=False)
    pixels = torch.full((2, 3, 8, 8), 0.5)
    images = scc_core.Images(pixels, torch.tensor([0, 1]), ("a", "b"))
    results = scc_core.evaluate(model, images, attack, epsilon, ["none"], keep_images=True)
    assert results.setting.endswith(f" at {epsilon} (L2) (transfer)")
    moved = (results["none"].images - pixels).flatten(1).norm(dim=1)
    # Half the range for each of 192 values is as far as an image can go.
    farthest = min(epsilon, 0.5 * 192**0.5)
    assert ((moved > farthest / 2) & (moved <= farthest + 1e-5)).all()


def test_tf32_is_refused_where_there_is_none(model):
    with pytest.raises(scc_core.UserError, match="precision tf32 exists on GPUs only, and this is cpu"):
        scc_core.evaluate(model, TWO_CLASSES, None, 0, ["none"], precision="tf32")


def test_images_come_as_arrays_and_lists_too(model):
    pixels = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    of_numpy = scc_core.Images(pixels.numpy(), [0, 1, 0, 1], ["a", "b"])
    assert of_numpy.labels.dtype is torch.int64
    assert (of_numpy.pixels == pixels).all()
    small = scc_core.Images(pixels.clone().requires_grad_(), np.array([0, 1, 0, 1], np.uint8), ("a", "b"))
    first, second = (scc_core.evaluate(model, images, "pgd", EPSILON, ["none"]) for images in (of_numpy, small))
    np.testing.assert_array_equal(first["none"].outcomes.margins, second["none"].outcomes.margins)


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
        ({"device": "cuda:99"}, r"device 'cuda:99' cannot be used: .*; this machine has cpu"),
        ({"device": "gpu"}, "device 'gpu' cannot be used: .*; this machine has cpu"),
        ({"model": "demo-clip", "device": "meta"}, "device 'meta' cannot be used: .*; this machine has cpu"),
        ({"model": 3}, "the model is a int; give a name or what scc_core.load_model returns"),
        ({"data": PIXELS}, "the data is a Tensor; give a name, a scc_core.Dataset or scc_core.Images"),
        ({"defenses": "scc"}, r"defenses is 'scc', expected a list such as \['none', 'scc'\]"),
        ({"defenses": {"shift": {"right": 2}}}, "defenses is {'shift': {'right': 2}}, expected a list"),
        ({"defenses": Flip()}, r"defenses is Flip\(\), expected a list"),
        ({"defenses": [PGD()]}, "'PGD' is no defense: derive a class from scc_core.Defense"),
        ({"attack": Flip}, "'Flip' is no attack: derive a class from scc_core.Attack"),
        ({"attack": scc_core.Attack}, "attack 'Attack' lacks nominal_cost and perturb"),
        ({"defenses": [{"shift": [2]}]}, "{'shift': \\[2\\]} is no defense: give a name"),
        ({"defenses": [{"shift": {"right": [2]}}]}, "{'shift': {'right': \\[2\\]}} is no defense"),
        ({"attack": {"apgd": {"loss": "dlr"}}, "data": TWO_CLASSES}, "needs at least 3 classes; the dataset has 2"),
        ({"adaptive": "bpda"}, "adaptive is 'bpda', expected True, False or scc_core.Adaptive"),
        ({"adaptive": True, "defenses": ["none", Secret]}, "defense Secret declares no gradients"),
        ({"seed": "a"}, "seed is 'a', expected a whole number, from 0 to 2147483647"),
        ({"seed": -1}, "seed is -1, expected a whole number"),
        ({"max_samples": 10.0}, "max_samples is 10.0, expected a whole number, 1 or more"),
        ({"precision": torch.bfloat16}, "Did you mean 'bfloat16'"),
        ({"batch_size": 0}, "batch_size is 0, expected a whole number, 1 or more"),
        ({"max_samples": 0}, "max_samples is 0, expected a whole number, 1 or more"),
        ({"precision": "float8"}, "float8"),
        ({"data": scc_core.Images(PIXELS[..., :4, :4], torch.zeros(2).long(), ("a",))}, "takes images of 8 pixels"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_is_wrong_is_one_line_before_any_compute(model, wrong, message, monkeypatch):
    def computes(*_args, **_kwargs):
        raise AssertionError("an image was measured")

    monkeypatch.setattr("scc_core.library.evaluate_batch", computes)
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
        (PIXELS, torch.tensor([0.0, 0.5]), "labels are torch.float32, expected whole numbers"),
        (PIXELS, torch.tensor([True, False]), "labels are torch.bool, expected whole numbers"),
        (PIXELS, ["a", "b"], "labels are a list that is no tensor of numbers"),
        (None, [0, 1], "pixels are a NoneType that is no tensor of numbers"),
        (PIXELS.to(torch.uint8).numpy(), [0, 1], "divide 8-bit values by 255"),
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
