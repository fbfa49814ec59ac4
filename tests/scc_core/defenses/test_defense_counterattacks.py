"""Defenses that move the image by gradients of their own: anti-adversary, hedge, DOC, MAC, CSR."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from scc_core.defenses import CSR, DOC, MAC, AntiAdversary, Hedge
from scc_core.defenses.low_pass import low_pass
from scc_core.defenses.mac import recolour
from scc_core.models.base import ZeroShotModel
from scc_core.noise import Noise
from tests.scc_core.conftest import ConvTower, prompts
from tests.scc_core.defenses.test_defenses import FarTower, one_by_one, start

pytestmark = [pytest.mark.numerics, pytest.mark.usefixtures("float64")]

SMALL = 4 / 255


def ascend(image, centre, objective, step, epsilon):
    """One sign step up, projected on the ball and on [0, 1]."""
    leaf = image.clone().requires_grad_(True)
    objective(leaf).backward()
    moved = centre + torch.clamp(image + step * leaf.grad.sign() - centre, -epsilon, epsilon)
    return moved.clamp(0, 1)


def random_image(pixels, noise, epsilon):
    return (pixels + noise.fold("start").uniform(tuple(pixels.shape[1:]), -epsilon, epsilon)).clamp(0, 1)


def far_from(model, anchor):
    return lambda leaf: ((model.features(leaf) - anchor) ** 2).sum()


@pytest.fixture
def dark_and_bright(images):
    """Images with pixels at 0 and 1, so that the clamp to [0, 1] matters."""
    return ((images - 0.5) * 3 + 0.5).clamp(0, 1)


def restated_anti_adversary(model, pixels, noise, steps=2, step=2 / 255, epsilon=SMALL):
    image, prediction = pixels, model(pixels).argmax(dim=-1)
    for _ in range(steps):
        image = ascend(image, pixels, lambda leaf: -functional.cross_entropy(model(leaf), prediction), step, epsilon)
    return image


@pytest.mark.parametrize("options", [{}, {"steps": 5}, {"step": 7 / 255}])
def test_anti_adversary_is_its_definition(conv_model, dark_and_bright, noise, options):
    names = {"steps": "num_steps", "step": "step_size"}
    defense = AntiAdversary(**{names[key]: value for key, value in options.items()})
    theirs = one_by_one(restated_anti_adversary, conv_model, dark_and_bright, noise, **options)
    assert torch.allclose(defense.correct(conv_model, dark_and_bright, noise), theirs, atol=1e-9)


def test_anti_adversary_makes_every_prediction_surer(images, noise):
    model = ZeroShotModel(ConvTower(scale=4.0), prompts(4))
    prediction = model(images).argmax(dim=-1)
    before, after = (
        functional.cross_entropy(logits, prediction, reduction="none")
        for logits in (model(images), AntiAdversary()(model, images, noise))
    )
    assert (after < before).all()


def test_anti_adversary_holds_on_to_the_first_prediction(images, noise):
    """Steps so long that the prediction changes on the way do not change what is descended to."""
    model, long = ZeroShotModel(FarTower(), prompts(4)), {"epsilon": 0.5}
    first = AntiAdversary(num_steps=1, step_size=0.5, **long).correct(model, images, noise)
    assert (model(first).argmax(dim=-1) != model(images).argmax(dim=-1)).any()
    ours = AntiAdversary(num_steps=3, step_size=0.5, **long).correct(model, images, noise)
    theirs = one_by_one(restated_anti_adversary, model, images, noise, steps=3, step=0.5, **long)
    assert torch.allclose(ours, theirs, atol=1e-9)


def restated_hedge(model, pixels, noise, steps=20, step=4 / 255, epsilon=8 / 255):
    image = random_image(pixels, noise, epsilon)

    def all_classes(leaf):
        logits = model(leaf)
        return sum(functional.cross_entropy(logits, torch.tensor([label])) for label in range(logits.shape[1]))

    for _ in range(steps):
        image = ascend(image, pixels, all_classes, step, epsilon)
    return image


@pytest.mark.parametrize("steps", [1, 20])
def test_hedge_is_its_definition(conv_model, dark_and_bright, noise, steps):
    ours = Hedge(num_steps=steps).correct(conv_model, dark_and_bright, noise)
    theirs = one_by_one(restated_hedge, conv_model, dark_and_bright, noise, steps=steps)
    assert torch.allclose(ours, theirs, atol=1e-9)


def restated_doc(model, pixels, noise, steps=4, gamma=75.0, tau=0.155, orthogonal=0.05, momentum=0.75, copies=5):
    """One line per symbol of the paper."""
    anchor = model.features(pixels)
    shape = tuple(pixels.shape[1:])
    cosines = [
        functional.cosine_similarity(model.features(random_image(pixels, noise.fold(f"copy-{copy}"), SMALL)), anchor)
        for copy in range(copies)
    ]
    shift = 1 - sum(cosines) / copies
    weight = 1 / (1 + math.exp(-gamma * (tau - float(shift))))
    first = random_image(pixels, noise, SMALL)
    image, velocity = first, torch.zeros_like(first)
    for step in range(steps):
        leaf = image.clone().requires_grad_(True)
        far_from(model, anchor)(leaf).backward()
        direction = leaf.grad / leaf.grad.norm()
        random = noise.fold(f"orthogonal-{step}").normal(shape)
        random = random - (random * direction).sum() * direction
        velocity = momentum * velocity + (1 - momentum) * (direction + orthogonal * random / random.norm())
        image = (pixels + torch.clamp(image + 3 / 255 * velocity.sign() - pixels, -SMALL, SMALL)).clamp(0, 1)
    return pixels + weight * (image - pixels) + (1 - weight) * (first - pixels)


DOC_NAMES = {
    "steps": "num_steps",
    "orthogonal": "orthogonal",
    "momentum": "momentum",
    "copies": "num_copies",
    "gamma": "gamma",
    "tau": "tau",
}


@pytest.mark.parametrize(
    "options",
    [{}, {"orthogonal": 0.8, "momentum": 0.3}, {"gamma": 300.0, "tau": 0.003, "copies": 2}, {"steps": 1}],
    ids=["published", "more random", "gate within the images", "one step"],
)
def test_doc_is_its_definition(conv_model, dark_and_bright, noise, options):
    defense = DOC(**{DOC_NAMES[key]: value for key, value in options.items()})
    theirs = one_by_one(restated_doc, conv_model, dark_and_bright, noise, **options)
    assert torch.allclose(defense.correct(conv_model, dark_and_bright, noise), theirs, atol=1e-9)


def test_doc_s_gate_weighs_every_image_by_its_own_shift(images, noise):
    model = ZeroShotModel(FarTower(), prompts(4))
    defense = DOC(gamma=1e6)
    shift = defense.shift(model, images, model.features(images), noise)
    tau = float(shift.sort().values[5:7].mean())
    corrected = DOC(gamma=1e6, tau=tau).correct(model, images, noise)
    kept = torch.isclose(corrected, images + start(images, noise), atol=1e-6).flatten(1).all(dim=1)
    assert kept.tolist() == (shift > tau).tolist()
    assert 0 < int(kept.sum()) < len(images)


def restated_mac_logits(model, pixels, noise, defense, views=2, steps=4, epsilon=8 / 255, step=2 / 255):
    logits = []
    for index in range(views):
        own = noise.fold(f"view-{index}")
        view = pixels if index == 0 else defense.augment(pixels, own.fold("augment"))
        anchor = model.features(view)
        image = random_image(view, own, epsilon)
        for _ in range(steps):
            image = ascend(image, view, far_from(model, anchor), step, epsilon)
        moved = model.features(defense.augment(view, own.fold("corruption"))) - anchor
        corruption = float(moved.norm() / anchor.norm())
        weight = 1 / (1 + math.exp(-(corruption - defense.tau) / defense.temperature))
        logits.append(model(view + weight * (image - view)))
    return sum(logits) / views


@pytest.mark.parametrize("options", [{}, {"tau": 0.5, "temperature": 0.3}, {"tau": 0.0}])
def test_mac_is_its_definition(conv_model, dark_and_bright, noise, options):
    defense = MAC(**options)
    ours = defense(conv_model, dark_and_bright, noise)
    theirs = one_by_one(restated_mac_logits, conv_model, dark_and_bright, noise, defense=defense)
    assert torch.allclose(ours, theirs, atol=1e-9)


def test_mac_corrects_the_views_that_look_corrupted(conv_model, images, noise):
    """A gate of threshold 0 is open; one of a threshold beyond every corruption is shut."""
    shut = MAC(tau=1e3).counterattacked_views(conv_model, images, noise)
    assert torch.equal(shut[0], images)
    opened = MAC(tau=0.0, temperature=1e-3).counterattacked_views(conv_model, images, noise)
    assert not torch.equal(shut[1], images)
    for closed, view in zip(shut, opened, strict=True):
        assert 4 / 255 < float((view - closed).abs().max()) <= 8 / 255 + 1e-6
        assert float(view.min()) >= 0
        assert float(view.max()) <= 1
        farther = (conv_model.features(view) - conv_model.features(closed)).norm(dim=-1)
        nearer = (conv_model.features(random_image(closed, noise, 8 / 255)) - conv_model.features(closed)).norm(dim=-1)
        assert (farther > nearer).all()


def test_mac_passes_gradients_over_its_counterattack(conv_model, images, noise):
    """The correction is a constant to an attacker: one view's gradient is that of the corrected image."""
    defense = MAC(num_views=1, tau=0.0)
    leaf = images.clone().requires_grad_(True)
    (ours,) = torch.autograd.grad(defense.classify(conv_model, leaf, noise)[:, 0].sum(), leaf)
    corrected = defense.counterattacked_views(conv_model, images, noise)[0].detach().requires_grad_(True)
    (theirs,) = torch.autograd.grad(conv_model(corrected)[:, 0].sum(), corrected)
    assert torch.allclose(ours, theirs, atol=1e-9)


def only(**strengths):
    """A MAC whose augmentation does nothing but what is named."""
    return MAC(**{**dict.fromkeys(("rotation", "translation", "zoom", "jitter", "blur", "sigma"), 0.0), **strengths})


def test_mac_s_augmentation_does_what_its_parameters_say():
    count, size = 300, 32
    noise = Noise(7, torch.arange(count))
    axis = torch.linspace(-1, 1, size)
    spot = torch.exp(-(axis[:, None] ** 2 + axis**2) / 0.02).expand(count, 3, -1, -1)
    assert torch.allclose(only().augment(spot, noise), spot, atol=1e-5)
    moved = only(translation=0.2).augment(spot, noise)[:, 0]
    middle = (moved.sum(dim=1) * axis).sum(dim=1) / moved.sum(dim=(1, 2)) * size / 2
    down = (moved.sum(dim=2) * axis).sum(dim=1) / moved.sum(dim=(1, 2)) * size / 2
    for shift in (middle, down):
        assert 5.5 < float(shift.abs().max()) < 0.2 * size + 0.5
        assert abs(float(shift.mean())) < 0.6
    width = only(zoom=0.5).augment(spot, noise)[:, 0].sum(dim=(1, 2)) / spot[:, 0].sum(dim=(1, 2))
    assert 0.22 < float(width.min()) < 0.35
    assert 2.0 < float(width.max()) < 2.4
    blurred = only(blur=2.0).augment(spot, noise)[:, 0]
    assert torch.allclose(blurred.sum(dim=(1, 2)), spot[:, 0].sum(dim=(1, 2)), rtol=1e-2)
    spread = (blurred.sum(dim=1) * axis**2).sum(dim=1) / blurred.sum(dim=(1, 2)) * (size - 1) ** 2 / 4
    grown = (spread - 0.01 * (size - 1) ** 2 / 4).clamp_min(0).sqrt()  # variances add
    assert 1.8 < float(grown.max()) < 2.1
    assert float(grown.min()) < 0.2
    grey = torch.full((count, 3, 8, 8), 0.5)
    assert 0.018 < float((only(sigma=0.02).augment(grey, noise) - grey).std()) < 0.022
    noisy = only(sigma=0.5).augment(grey, noise)
    assert (float(noisy.min()), float(noisy.max())) == (0.0, 1.0)
    bright = only(jitter=0.2).augment(grey, noise)[:, 0, 0, 0]
    assert (0.4 <= float(bright.min()) < 0.41, 0.59 < float(bright.max()) <= 0.6 + 1e-6) == (True, True)


def test_mac_turns_images():
    axis = torch.linspace(-1, 1, 32)
    bar = torch.exp(-(axis**2) / 0.02).expand(200, 3, 32, 32)  # upright
    turned = only(rotation=45.0).augment(bar, Noise(2, torch.arange(200)))[:, 0]
    tilt = (turned * axis * axis[:, None]).sum(dim=(1, 2)) / turned.sum(dim=(1, 2))
    assert float(tilt.max()) > 0.1
    assert float(tilt.min()) < -0.1


def test_recolour_scales_brightness_contrast_and_saturation(images):
    images, one = images * 0.5 + 0.2, torch.ones(len(images))
    half = one * 0.5
    luma = torch.tensor([0.299, 0.587, 0.114]).reshape(3, 1, 1)
    grey = (images * luma).sum(dim=1, keepdim=True)
    assert torch.allclose(recolour(images, half, one, one), images / 2, atol=1e-9)
    assert torch.allclose(recolour(images, one, one, 0 * one), grey.expand(-1, 3, -1, -1), atol=1e-9)
    flat = grey.mean(dim=(2, 3), keepdim=True)
    assert torch.allclose(recolour(images, one, half, one), (images + flat) / 2, atol=1e-9)
    strong = recolour(images, 3 * one, 3 * one, one)
    assert (float(strong.min()), float(strong.max())) == (0.0, 1.0)


def restated_csr_path(model, pixels, radius=2.0, threshold=0.85, steps=3, step=2 / 255, epsilon=SMALL):
    """Every image on the way, and the place of the best."""

    def cosine(image, other):
        return functional.cosine_similarity(model.features(image), other)

    own, smooth = model.features(pixels), model.features(low_pass(pixels, radius))
    if float(functional.cosine_similarity(own, smooth)) >= threshold:
        return [pixels], 0
    path = [pixels]
    for _ in range(steps):
        path.append(ascend(path[-1], pixels, lambda leaf: cosine(leaf, smooth) - cosine(leaf, own), step, epsilon))
    scores = [float(cosine(image, smooth) - cosine(image, own)) for image in path]
    return path, scores.index(max(scores))


def restated_csr(model, pixels, noise, **options):
    path, best = restated_csr_path(model, pixels, **options)
    return path[best]


@pytest.mark.parametrize(
    "options",
    [{"threshold": 1.0}, {"radius": 1.0, "threshold": 1.0, "step": 8 / 255}, {"steps": 1, "threshold": 1.0}],
    ids=["published steps", "long steps", "one step"],
)
def test_csr_is_its_definition(conv_model, dark_and_bright, noise, options):
    names = {"radius": "radius", "threshold": "threshold", "step": "step_size", "steps": "num_steps"}
    given = {names[key]: value for key, value in {"radius": 2.0, **options}.items()}
    theirs = one_by_one(restated_csr, conv_model, dark_and_bright, noise, **options)
    assert torch.allclose(CSR(**given).correct(conv_model, dark_and_bright, noise), theirs, atol=1e-9)


def test_csr_keeps_the_best_image_and_not_the_last(noise, images):
    """Steps longer than the ball is wide jump to and fro, so that the last image is not always the best."""
    model = ZeroShotModel(FarTower(), prompts(4))
    options = {"radius": 1.0, "threshold": 1.0, "epsilon": 0.1}
    ours = CSR(num_steps=4, step_size=0.2, **options).correct(model, images, noise)
    theirs = one_by_one(restated_csr, model, images, noise, steps=4, step=0.2, **options)
    assert torch.allclose(ours, theirs, atol=1e-9)
    best = [restated_csr_path(model, image[None], steps=4, step=0.2, **options)[1] for image in images]
    assert min(best) < 4
    assert max(best) == 4


def test_csr_s_gate_decides_per_image_and_spares_the_rest(conv_model, images, noise):
    smooth = conv_model.features(low_pass(images, 2.0))
    cosine = functional.cosine_similarity(conv_model.features(images), smooth, dim=-1)
    threshold = float(cosine.sort().values[4:6].mean())
    with conv_model.meter.measure() as counted:
        corrected = CSR(radius=2.0, threshold=threshold).correct(conv_model, images, noise)
        spent = counted()
    moved = (corrected != images).flatten(1).any(dim=1)
    assert moved.tolist() == (cosine < threshold).tolist()
    assert int(moved.sum()) == 5
    # All twelve are computed to the end, because five are flagged.
    assert (spent.forwards, spent.backwards) == (2 * 12 + 4 * 12, 3 * 12)


@pytest.mark.parametrize(
    ("defense", "epsilon"),
    [
        (AntiAdversary(num_steps=10), SMALL),
        (Hedge(num_steps=5), 8 / 255),
        (DOC(num_steps=10), SMALL),
        (DOC(gamma=0.0), SMALL),
        (CSR(num_steps=10, threshold=1.0, radius=1.0), SMALL),
    ],
    ids=lambda value: type(value).__name__,
)
def test_corrections_stay_in_their_ball_and_in_the_range(conv_model, dark_and_bright, noise, defense, epsilon):
    corrected = defense.correct(conv_model, dark_and_bright, noise)
    distance = float((corrected - dark_and_bright).abs().max())
    assert epsilon / 2 < distance <= epsilon + 1e-6
    assert float(corrected.min()) >= 0
    assert float(corrected.max()) <= 1
