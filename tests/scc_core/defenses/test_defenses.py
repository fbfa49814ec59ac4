"""Every defense against a plain re-statement of its equation."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from scc_core.defenses import RTPT, SCC, TTC, CLIPureCos, Flip, NoDefense, RandomNoise, Shift, defenses
from scc_core.defenses.clipure import null_texts
from scc_core.models.base import ZeroShotModel
from scc_core.noise import Noise
from tests.scc_core.conftest import ConvTower, prompts

pytestmark = [pytest.mark.numerics, pytest.mark.usefixtures("float64")]

EPSILON, STEP = 4 / 255, 1 / 255


def start(pixels, noise):
    return (pixels + noise.fold("start").uniform(tuple(pixels.shape[1:]), -EPSILON, EPSILON)).clamp(0, 1) - pixels


def restated_ttc_image(model, pixels, noise, steps=2, tau=0.2, beta=2.0):
    """One image, one line per sentence of the paper."""
    deltas = [start(pixels, noise)]
    clean = model.features(pixels)
    ratio = float((model.features(pixels + deltas[0]) - clean).norm() / clean.norm())
    if ratio >= tau:
        return pixels + deltas[0]
    for _ in range(steps):
        delta = deltas[-1].clone().requires_grad_(True)
        ((model.features(pixels + delta) - clean) ** 2).sum().backward()
        moved = torch.clamp(delta.detach() + STEP * delta.grad.sign(), -EPSILON, EPSILON)
        deltas.append((pixels + moved).clamp(0, 1) - pixels)
    weights = [math.exp(beta * step) for step in range(steps + 1)]
    mean = sum(weight * delta for weight, delta in zip(weights, deltas, strict=True)) / sum(weights)
    return pixels + mean


def restated_scc_logits(
    model, pixels, noise, *, semantic=True, spatial=True, pseudo_label="views", views=4, sigma=0.02, temperature=0.5
):
    """One image, one line per step of the paper."""
    warm = restated_ttc_image(model, pixels, noise)
    offsets = [sigma * noise.fold(f"view-{index}").normal(tuple(pixels.shape[1:])) for index in range(views)]

    def view(image, index):
        image = image.flip(-1) if index % 2 else image
        return image if index < 2 else (image + offsets[index]).clamp(0, 1)

    def cosine(first, second):
        return functional.cosine_similarity(first, second, dim=-1)

    texts = model.text_features
    delta = warm - pixels
    if semantic:
        mean = torch.stack([model(view(warm, index)).softmax(-1) for index in range(views)]).mean(0)
        label = int((mean if pseudo_label == "views" else model(warm)).argmax())
        sharp = mean ** (1 / temperature)
        prototype = (sharp / sharp.sum()) @ texts
        for _ in range(3):
            leaf = delta.clone().detach().requires_grad_(True)
            loss = 0.0
            for index in range(views if spatial else 1):
                feature = model.features(view(pixels + leaf, index))
                others = [cosine(feature, texts[k]) for k in range(len(texts)) if k != label]
                loss = loss + cosine(feature, prototype) - torch.stack(others).max()
            loss.backward()
            moved = torch.clamp(delta + STEP * leaf.grad.sign(), -EPSILON, EPSILON)
            delta = (pixels + moved).clamp(0, 1) - pixels
    if not spatial:
        return model(pixels + delta)
    return torch.stack([model(view(pixels + delta, index)) for index in range(views)]).mean(0)


def one_by_one(restated, model, images, noise, **options):
    rows = [torch.tensor([row]) for row in range(len(images))]
    return torch.cat([restated(model, images[row], noise.select(row), **options) for row in rows])


class FarTower(ConvTower):
    """A tower whose embedding moves a lot under noise, so that TTC's gate is sometimes shut."""

    def encode_image(self, pixels):
        return super().encode_image((pixels - 0.5) * self.gain + 0.5)

    gain = 12.0


@pytest.fixture
def gated_model() -> ZeroShotModel:
    return ZeroShotModel(FarTower(), prompts(4))


def test_ttc_is_its_definition(conv_model, images, noise):
    corrected = TTC().correct(conv_model, images, noise)
    assert torch.allclose(corrected, one_by_one(restated_ttc_image, conv_model, images, noise), atol=1e-9)


def test_ttc_s_gate_decides_per_image(gated_model, images, noise):
    clean = gated_model.features(images)
    ratio = (gated_model.features(images + start(images, noise)) - clean).norm(dim=-1) / clean.norm(dim=-1)
    tau = float(ratio.sort().values[5:7].mean())
    corrected = TTC(tau=tau).correct(gated_model, images, noise)
    kept = torch.isclose(corrected, images + start(images, noise), atol=1e-7).flatten(1).all(dim=1)
    assert kept.tolist() == (ratio >= tau).tolist()
    assert 0 < int(kept.sum()) < len(images)
    restated = one_by_one(restated_ttc_image, gated_model, images, noise, tau=tau)
    assert torch.allclose(corrected, restated, atol=1e-9)


def test_ttc_stays_in_its_ball(conv_model, images, noise):
    corrected = TTC(num_steps=20).correct(conv_model, images, noise)
    assert float((corrected - images).abs().max()) <= EPSILON + 1e-6
    assert float(corrected.min()) >= 0
    assert float(corrected.max()) <= 1


@pytest.mark.parametrize(
    "switches",
    [{}, {"semantic": False}, {"spatial": False}, {"pseudo_label": "warm-up"}],
    ids=["both", "spatial only", "semantic only", "label of the warm-up"],
)
def test_scc_is_its_definition(conv_model, images, noise, switches):
    ours = SCC(**switches)(conv_model, images, noise)
    theirs = one_by_one(restated_scc_logits, conv_model, images, noise, **switches)
    assert torch.allclose(ours, theirs, atol=1e-9)


def test_scc_s_hard_label_is_the_views_or_the_warm_up_s(conv_model):
    """The image alone says class 0, the mean of its views class 2; the soft prototype is the same for both."""
    logits = torch.tensor([[[3.0, 0.0, 2.0, 0.0]], [[0.0, 0.0, 6.0, 0.0]]])
    views, lone = (SCC(pseudo_label=name).soft_label(conv_model, logits) for name in ("views", "warm-up"))
    assert (views.label.tolist(), lone.label.tolist()) == ([2], [0])
    assert torch.equal(views.prototype, lone.prototype)


def test_scc_with_both_modules_off_is_ttc_to_the_last_bit(conv_model, gated_model, images, noise):
    for model in (conv_model, gated_model):
        off = SCC(semantic=False, spatial=False)(model, images, noise)
        assert torch.equal(off, TTC()(model, images, noise))


def test_scc_s_modules_each_change_the_result(conv_model, images, noise):
    variants = [SCC(semantic=a, spatial=b)(conv_model, images, noise) for a in (False, True) for b in (False, True)]
    for index, first in enumerate(variants):
        for second in variants[index + 1 :]:
            assert not torch.allclose(first, second, atol=1e-3)


def test_scc_survives_a_sharp_temperature_and_two_classes(images, noise):
    model = ZeroShotModel(ConvTower(num_classes=2, scale=100.0), prompts(2))
    assert SCC(temperature=0.01)(model, images, noise).isfinite().all()


def test_scc_raises_its_own_objective(conv_model, images, noise):
    """More steps of ascent must raise the margin of the views' own prediction, on average."""
    label = SCC(semantic=False)(conv_model, images, noise).argmax(dim=-1, keepdim=True)

    def margin(logits):
        others = logits.scatter(1, label, -torch.inf).amax(dim=-1)
        return float((logits.gather(1, label).squeeze(1) - others).mean())

    margins = [margin(SCC(num_steps=steps)(conv_model, images, noise)) for steps in (1, 3, 6)]
    assert margins == sorted(margins)


def test_controls_are_what_they_say(conv_model, images, noise):
    assert torch.equal(NoDefense()(conv_model, images, noise), conv_model(images))
    assert torch.equal(Flip()(conv_model, images, noise), conv_model(torch.flip(images, dims=[3])))
    assert torch.equal(RandomNoise()(conv_model, images, noise), conv_model(images + start(images, noise)))


def test_shift_moves_down_and_right_and_repeats_the_border(images, noise):
    seen = []

    class Recorder:
        def __call__(self, pixels):
            seen.append(pixels)
            return pixels

    Shift(right=1, down=2).classify(Recorder(), images, noise)
    moved = seen[0]
    assert torch.equal(moved[..., 2:, 1:], images[..., :-2, :-1])
    assert torch.equal(moved[..., 0, 1:], images[..., 0, :-1])
    assert torch.equal(moved[..., 2:, 0], images[..., :-2, 0])


FEWER_VIEWS = {"r-tpt": {"num_views": 8}}


def moved_by_another_batch(defense, model, images):
    """How far any logit moves when its image is defended in other batches, in another order, than that of all."""
    ids = torch.arange(12)
    whole = defense(model, images, Noise(0, ids))
    parts = ids.flip(0).split([6, 5, 1])
    logits = [defense(model, images[rows], Noise(0, rows)) for rows in parts]
    return float((torch.cat(logits) - whole[torch.cat(parts)]).abs().max())


@pytest.mark.parametrize("name", list(defenses))
def test_no_defense_depends_on_the_other_images_of_its_batch(name, conv_model, images):
    defense = defenses.get(name)(**FEWER_VIEWS.get(name, {}))
    assert moved_by_another_batch(defense, conv_model, images) < 1e-9


class WholeBatchSteps(CLIPureCos):
    """CLIPure-Cos as published: the step is divided by the length of the whole batch's gradient."""

    def classify(self, model, images, noise):
        null = model.embed_texts(null_texts(self.templates))
        direction = functional.normalize(model.features(images), dim=-1)
        for _ in range(self.num_steps):
            gradient = null - (direction * null).sum(dim=-1, keepdim=True) * direction
            direction = functional.normalize(direction + self.step_size * gradient / gradient.norm(), dim=-1)
        return model.logits(direction)


def test_a_defense_that_depends_on_the_batch_is_caught(conv_model, images):
    assert moved_by_another_batch(WholeBatchSteps(num_steps=3), conv_model, images) > 0.1


# Where a gate spares some images, planning assumes that it spares none.
OPEN_GATES = {"csr": {"threshold": 1.0, "radius": 1.0}}


@pytest.mark.parametrize("name", list(defenses))
def test_the_nominal_cost_is_what_each_step_spends(name, conv_model, images, noise):
    defense = defenses.get(name)(**OPEN_GATES.get(name, {}), **FEWER_VIEWS.get(name, {}))
    nominal = defense.nominal_cost(conv_model.num_classes)
    with torch.no_grad(), conv_model.meter.measure() as counted:
        corrected = defense.correct(conv_model, images, noise)
        assert counted() == nominal.correct.times(12)
    with torch.no_grad(), conv_model.meter.measure() as counted:
        defense.classify(conv_model, corrected, noise)
        assert counted() == nominal.classify.times(12)
    with conv_model.meter.measure() as counted:
        logits = defense.classify(conv_model, corrected.requires_grad_(), noise)
        before = counted()
        torch.autograd.grad(logits.sum(), corrected)
        assert counted() == before + nominal.gradient("bpda").times(12)


def test_r_tpt_s_texts_are_all_classes_for_every_image():
    """Four prompts to choose views by, four at each of three steps, and four with the tuned context."""
    nominal = RTPT(num_views=2, num_steps=3).nominal_cost(4).total
    assert (nominal.text_forwards, nominal.text_backwards) == (4 + 3 * 4 + 4, 3 * 4)
    assert RTPT(num_steps=3).nominal_cost(1000).total.text_forwards == 5000
