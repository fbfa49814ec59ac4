"""The evaluation: attack once, defend many, trust nobody, count what it cost."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from scc_core.attacks import PGD, Attack
from scc_core.batch import Batch
from scc_core.components.component import Component
from scc_core.cost import Cost
from scc_core.defenses import SCC, TTC, Defense, Flip, NoDefense
from scc_core.errors import ComponentError
from scc_core.evaluation.evaluate import evaluate
from scc_core.evaluation.threat import Adaptive, Threat
from tests.scc_core.conftest import ConvTower

pytestmark = [pytest.mark.numerics, pytest.mark.usefixtures("float64")]


@dataclass(frozen=True)
class ScriptedAttack(Attack):
    """Returns what the test tells it to."""

    def perturb(self, model, pixels, labels, epsilon, noise):
        return self.script(pixels.clone(), epsilon)

    def nominal_cost(self, num_classes):
        return Cost()


def scripted(script) -> ScriptedAttack:
    attack = ScriptedAttack()
    object.__setattr__(attack, "script", script)
    return attack


@dataclass(frozen=True)
class BrokenDefense(Defense):
    def classify(self, model, images, noise):
        raise RuntimeError("no such feature")


@pytest.fixture
def batch(images, labels) -> Batch:
    return Batch(images, labels, torch.arange(100, 112))


def run(model, batch, attack, defenses, adaptive=None, on_error=None):
    threat = Threat(attack and Component.of(attack), 4 / 255, adaptive, seed=3)
    chosen = {key: Component.of(defense) for key, defense in defenses.items()}
    return evaluate(model, batch, threat=threat, defenses=chosen, on_error=on_error)


def test_outcomes_are_those_of_the_logits(conv_model, batch):
    outcomes = run(conv_model, batch, None, {"none": NoDefense()}).defended["none"].outcomes
    logits = conv_model(batch.pixels).double().numpy()
    labels = batch.labels.numpy()
    rows = np.arange(12)
    others = logits.copy()
    others[rows, labels] = -np.inf
    probability = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert outcomes.sample_ids.tolist() == list(range(100, 112))
    assert outcomes.labels.tolist() == labels.tolist()
    assert outcomes.predictions.tolist() == logits.argmax(axis=1).tolist()
    np.testing.assert_allclose(outcomes.margins, logits[rows, labels] - others.max(axis=1), atol=1e-4)
    np.testing.assert_allclose(outcomes.confidences, probability.max(axis=1), atol=1e-5)
    assert ((outcomes.margins > 0) == outcomes.correct).all()


def test_the_attack_runs_once_for_all_defenses(conv_model, batch):
    defenses = {"none": NoDefense(), "flip": Flip(), "ttc": TTC(), "scc": SCC()}
    result = run(conv_model, batch, PGD(), defenses)
    assert (result.attack.forwards, result.attack.backwards) == (120, 120)
    spent = {key: (one.cost.forwards, one.cost.backwards) for key, one in result.defended.items()}
    assert spent == {"none": (12, 0), "flip": (12, 0), "ttc": (48, 24), "scc": (228, 168)}


def test_a_defense_s_result_does_not_depend_on_its_company(conv_model, batch):
    alone = run(conv_model, batch, PGD(), {"scc": SCC()}).defended["scc"].outcomes
    among = run(conv_model, batch, PGD(), {"ttc": TTC(), "scc": SCC(), "flip": Flip()}).defended["scc"].outcomes
    assert np.array_equal(alone.margins, among.margins)


def test_attack_and_defense_draw_independent_noise(conv_model, batch):
    """TTC's start must not be PGD's start: the defender does not know the attacker's draw."""
    result = run(conv_model, batch, scripted(lambda pixels, _: pixels), {"ttc": TTC()})
    noise = replace(PGD(num_steps=1), step_size=1e-6)
    started = noise(conv_model, batch.pixels, batch.labels, 4 / 255, _noise("attack", batch)).images
    defended = _noise("defense", batch).fold("start").uniform((3, 8, 8), -4 / 255, 4 / 255)
    assert float(torch.corrcoef(torch.stack([(started - batch.pixels).flatten(), defended.flatten()]))[0, 1]) < 0.1
    assert result.defended["ttc"].cost.forwards > 0


def _noise(stream, batch):
    from scc_core.noise import Noise

    return Noise(3, batch.sample_ids, stream)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (lambda pixels, epsilon: _add(pixels, row=4, value=epsilon * 1.01), r"broke its budget on sample 104"),
        (lambda pixels, epsilon: _add(pixels, row=2, value=float("nan")), r"broke its budget on sample 102"),
        (lambda pixels, epsilon: pixels.sub(pixels.max()), r"range \[-"),
        (lambda pixels, epsilon: pixels[:, :1], r"returned shape \(12, 1, 8, 8\)"),
        (lambda pixels, epsilon: pixels.half(), r"returned shape \(12, 3, 8, 8\) of torch.float16 for images of"),
        (lambda pixels, epsilon: None, "returned a NoneType, not a tensor of images"),
        (lambda pixels, epsilon: pixels.numpy(), "returned a ndarray, not a tensor of images"),
    ],
    ids=["beyond epsilon", "NaN", "below 0", "shape", "half", "nothing", "array"],
)
def test_an_attack_that_breaks_its_contract_is_named(conv_model, batch, script, message):
    with pytest.raises(ComponentError, match=message):
        run(conv_model, batch, scripted(script), {"none": NoDefense()})


def _add(pixels, row, value):
    pixels[row, 0, 0, 0] = pixels[row, 0, 0, 0] + value if pixels[row, 0, 0, 0] < 0.5 else pixels[row, 0, 0, 0] - value
    return pixels


@dataclass(frozen=True)
class MovesInPlace(Attack):
    """Returns the very images that it was given, far from where they were."""

    def perturb(self, model, pixels, labels, epsilon, noise):
        labels.zero_()
        return pixels.mul_(0.5)

    def nominal_cost(self, num_classes):
        return Cost()


def test_an_attack_that_works_in_place_is_measured_from_the_images_themselves(conv_model, batch):
    before = batch.pixels.clone(), batch.labels.clone()
    with pytest.raises(ComponentError, match="attack MovesInPlace broke its budget on sample 100"):
        run(conv_model, batch, MovesInPlace(), {"none": NoDefense()})
    assert torch.equal(batch.pixels, before[0])
    assert torch.equal(batch.labels, before[1])


@dataclass(frozen=True)
class ScriptedDefense(Defense):
    """Corrects and classifies as its test says."""

    gradients = ("bpda", "unrolled")
    correct: object = None
    classify: object = None

    def __post_init__(self):
        pass


def darkens(model, images, noise):
    return images.mul_(0.1)


@pytest.mark.parametrize("step", ["correct", "classify"])
def test_a_defense_that_works_in_place_changes_nothing_for_the_others(conv_model, batch, step):
    inplace = {"correct": darkens, "classify": lambda model, images, noise: model(images.mul_(0.1))}[step]
    steps = {"correct": lambda model, images, noise: images, "classify": lambda model, images, noise: model(images)}
    defenses = {"dark": ScriptedDefense(**{**steps, step: inplace}), "none": NoDefense()}
    found = run(conv_model, batch, None, defenses).defended
    alone = run(conv_model, batch, None, {"none": NoDefense()}).defended
    assert np.array_equal(found["none"].outcomes.margins, alone["none"].outcomes.margins)
    assert not np.array_equal(found["dark"].outcomes.margins, alone["none"].outcomes.margins)


@pytest.mark.parametrize("way", ["bpda", "unrolled"])
def test_an_attack_through_a_defense_that_works_in_place_is_the_attack_through_its_copy(conv_model, batch, way):
    copies = lambda model, images, noise: images * 0.1  # noqa: E731
    classify = lambda model, images, noise: model(images)  # noqa: E731
    margins = [
        run(conv_model, batch, PGD(num_steps=3), {"it": ScriptedDefense(correct, classify)}, Adaptive(way))
        .defended["it"]
        .outcomes.margins
        for correct in (darkens, copies)
    ]
    assert np.array_equal(*margins)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda logits: None, "returned a NoneType; logits are a tensor of floating-point numbers"),
        (lambda logits: logits.numpy(), "returned a ndarray; logits are"),
        (lambda logits: logits.long(), "returned a tensor of torch.int64; logits are"),
        (lambda logits: logits[:, :2], r"returned shape \(12, 2\); logits have shape"),
    ],
    ids=["nothing", "array", "integers", "shape"],
)
def test_a_defense_that_returns_no_logits_is_named(conv_model, batch, returned, message):
    defense = ScriptedDefense(lambda model, images, noise: images, lambda model, images, noise: returned(model(images)))
    with pytest.raises(ComponentError, match=f"defense ScriptedDefense {message}"):
        run(conv_model, batch, None, {"it": defense})


def test_exactly_epsilon_is_within_the_budget(conv_model, batch):
    attack = scripted(lambda pixels, epsilon: torch.where(pixels < 0.5, pixels + epsilon, pixels - epsilon))
    assert len(run(conv_model, batch, attack, {"none": NoDefense()}).defended["none"].outcomes) == 12


def test_a_failing_defense_fails_alone(conv_model, batch):
    errors = {}
    defenses = {"broken": BrokenDefense(), "flip": Flip()}
    result = run(conv_model, batch, None, defenses, on_error=errors.__setitem__)
    assert set(result.defended) == {"flip"}
    assert str(errors["broken"]) == "no such feature"
    with pytest.raises(RuntimeError, match="no such feature"):
        run(conv_model, batch, None, defenses)


def test_a_logit_that_is_not_finite_names_model_and_sample(conv_model, batch):
    class NanTower(ConvTower):
        def encode_image(self, pixels):
            features = super().encode_image(pixels)
            return torch.where(torch.arange(len(features)).unsqueeze(1) == 5, torch.nan, features)

    conv_model.model = NanTower()
    with pytest.raises(ComponentError, match=r"model linear under defense NoDefense .* sample 105"):
        run(conv_model, batch, None, {"none": NoDefense()})


@dataclass(frozen=True)
class FarApart(Defense):
    """Gives one image logits of ``size``, of both signs."""

    size: float = 3e38
    dtype: str = "float32"

    def classify(self, model, images, noise):
        logits = model(images).to(getattr(torch, self.dtype))
        signs = torch.where(torch.arange(logits.shape[1]) == 0, 1.0, -1.0).to(logits.dtype)
        return torch.where(torch.arange(len(logits)).unsqueeze(1) == 5, signs * self.size, logits)


@pytest.mark.parametrize(("size", "dtype"), [(3e38, "float32"), (1e39, "float64"), (1e300, "float64")])
def test_logits_that_are_finite_and_useless_name_model_defense_and_sample(conv_model, batch, size, dtype):
    words = (
        r"^model linear under defense FarApart gave logits from -\S+ to \S+ on sample 105, whose margin is no finite"
    )
    with pytest.raises(ComponentError, match=words):
        run(conv_model, batch, None, {"far": FarApart(size, dtype)})
    failures = {}
    rest = run(
        conv_model, batch, None, {"far": FarApart(size, dtype), "none": NoDefense()}, on_error=failures.__setitem__
    )
    assert (list(failures), list(rest.defended)) == (["far"], ["none"])


def test_logits_that_are_large_and_have_a_margin_are_taken(conv_model, batch):
    outcomes = run(conv_model, batch, None, {"far": FarApart(1.5e38)}).defended["far"].outcomes
    assert abs(outcomes.margins[5]) == pytest.approx(3e38)
    assert outcomes.confidences[5] == 1.0


def test_a_gradient_that_is_not_finite_names_model_attack_sample_and_step(conv_model, batch):
    class SteepTower(ConvTower):
        """Finite features whose slope is infinite where a pixel is black."""

        def encode_image(self, pixels):
            return super().encode_image(pixels) + pixels.flatten(1)[:, :1].sqrt()

    conv_model.model = SteepTower()
    batch.pixels[7, 0, 0, 0] = 0.0
    with pytest.raises(ComponentError, match=r"model linear: .*pgd.* sample 107 .*step 1"):
        run(conv_model, batch, PGD(random_start=False), {"none": NoDefense()})


def test_memory_errors_are_never_taken_for_a_failing_defense(conv_model, batch):
    class Hungry(BrokenDefense):
        def classify(self, model, images, noise):
            raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        run(conv_model, batch, None, {"hungry": Hungry()}, on_error=lambda *_: None)


def test_an_adaptive_attack_knows_the_one_defense_it_is_made_for(conv_model, batch):
    """Flip undoes a transfer attack in part; the attack that differentiates through it must do better."""
    transfer = run(conv_model, batch, PGD(), {"flip": Flip()}).defended["flip"].outcomes
    adaptive = run(conv_model, batch, PGD(), {"flip": Flip()}, adaptive=Adaptive()).defended["flip"].outcomes
    assert adaptive.margins.mean() < transfer.margins.mean() - 1
    flipped = Batch(batch.pixels.flip(-1), batch.labels, batch.sample_ids)
    assert (
        adaptive.correct.sum()
        <= run(conv_model, flipped, None, {"none": NoDefense()}).defended["none"].outcomes.correct.sum()
    )


def test_an_adaptive_attack_s_cost_is_that_of_the_defended_model(conv_model, batch):
    result = run(conv_model, batch, PGD(num_steps=2), {"ttc": TTC()}, adaptive=Adaptive("bpda", eot_draws=3))
    # Every step runs TTC (4 forwards, 2 backwards) and one more backward, three times.
    assert (result.attack.forwards, result.attack.backwards) == (12 * 2 * 3 * 4, 12 * 2 * 3 * 3)


def test_an_adaptive_attack_is_for_one_defense(conv_model, batch):
    with pytest.raises(ValueError, match="one defense, not for 2"):
        run(conv_model, batch, PGD(), {"flip": Flip(), "ttc": TTC()}, adaptive=Adaptive())


@pytest.mark.skipif(not hasattr(torch.backends, "fp32_precision"), reason="torch tells it from version 2.9 on")
def test_float32_has_all_its_bits_whatever_the_process_has_set(conv_model, batch):
    """And the process has its own setting again afterwards."""
    seen: list[str] = []

    @dataclass(frozen=True)
    class Watches(Defense):
        def classify(self, model, images, noise):
            seen.append(torch.backends.mkldnn.matmul.fp32_precision)
            return model(images)

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        run(conv_model, batch, None, {"w": Watches()})
        assert torch.backends.mkldnn.matmul.fp32_precision == "bf16"
    finally:
        torch.set_float32_matmul_precision(before)
    assert seen == ["ieee"]
