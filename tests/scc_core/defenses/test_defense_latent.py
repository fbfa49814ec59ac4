"""Defenses of the embedding and of the prompt: AGC, CLIPure-Cos, R-TPT."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from scc_core.defenses import AGC, RTPT, CLIPureCos
from scc_core.defenses.agc import mean_pairwise_cosine
from scc_core.defenses.clipure import null_texts
from scc_core.defenses.transforms.augmix import augmix_view
from scc_core.defenses.transforms.warping import perspective, warp
from scc_core.errors import UserError
from scc_core.models import get_model
from scc_core.models.base import ZeroShotModel
from scc_core.noise import Noise
from tests.scc_core.conftest import ConvTower, LinearTower, drawn, prompts
from tests.scc_core.defenses.test_defenses import one_by_one

pytestmark = [pytest.mark.numerics, pytest.mark.usefixtures("float64")]


def unit(vector):
    return vector / vector.norm()


def restated_agc_logits(model, pixels, noise, defense):
    """One image: every pair of views is compared, and the geodesic is walked with an arc cosine."""
    own = unit(model.features(pixels)[0]).double()
    seen = [
        unit(model.features(defense.view(pixels, noise.fold(f"view-{view}")))[0]).double()
        for view in range(defense.num_views)
    ]
    outlierness = sum(1 - float(view @ own) for view in seen) / len(seen)
    pairs = [float(a @ b) for i, a in enumerate(seen) for j, b in enumerate(seen) if i != j]
    trust = (sum(pairs) / len(pairs) + 1) / 2 if pairs else 1.0
    suspicion = min(max(outlierness, 0), 1) ** defense.gamma_outlierness * min(max(trust, 0), 1) ** defense.gamma_trust
    beta = defense.beta_clean + (defense.beta_adversarial - defense.beta_clean) * suspicion
    anchor = unit(sum(seen))
    angle = math.acos(float(own @ anchor))
    tangent = unit(anchor - (own @ anchor) * own)
    turned = math.cos(beta * angle) * own + math.sin(beta * angle) * tangent
    return model.logits(turned.float().unsqueeze(0))


@pytest.mark.parametrize(
    "options",
    [{}, {"num_views": 3, "gamma_trust": 2.0}, {"num_views": 1}, {"distortion": 0.9, "gamma_outlierness": 0.3}],
)
def test_agc_is_its_definition(conv_model, images, noise, options):
    defense = AGC(**options)
    theirs = one_by_one(restated_agc_logits, conv_model, images, noise, defense=defense)
    assert torch.allclose(defense(conv_model, images, noise), theirs, atol=1e-9)


def test_agc_s_step_ends_on_the_geodesic():
    own, anchor = torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[[0.6, 0.8, 0.0]]])
    whole = AGC(beta_clean=1.0, beta_adversarial=1.0)
    assert torch.allclose(whole.correct_embedding(own, anchor), anchor[0], atol=1e-6)
    none = AGC(beta_clean=0.0, beta_adversarial=0.0)
    assert torch.allclose(none.correct_embedding(own, anchor), own)
    assert torch.allclose(whole.correct_embedding(own, own.unsqueeze(0)), own)


def test_agc_clamps_outlierness_and_trust():
    own = torch.tensor([[1.0, 0.0]])
    opposite = torch.tensor([[[-1.0, 0.0]], [[-1.0, 0.0]]])
    assert float(AGC().step(own, opposite)) == pytest.approx(2.25)
    apart = torch.tensor([[[1.0, 0.0]], [[-1.0, 0.0]]])
    assert float(AGC().step(own, apart)) == pytest.approx(0.45)
    # Unit vectors are so up to rounding only, and a root of a number below zero is none.
    assert float(AGC(gamma_trust=0.5).step(own, 1.001 * apart)) == pytest.approx(0.45)
    assert float(mean_pairwise_cosine(torch.tensor([[[0.6, 0.8]]]))) == 1.0


def test_agc_s_views_move_every_corner_inwards():
    """White images become quadrilaterals on black, inside the square and larger than its quarter."""
    white = torch.ones(200, 3, 32, 32)
    noise = Noise(3, torch.arange(200))
    assert torch.allclose(AGC(distortion=0.0).view(white, noise)[..., 1:-1, 1:-1], white[..., 1:-1, 1:-1], atol=1e-5)
    views = AGC(distortion=0.5).view(white, noise)[:, 0]
    assert torch.allclose(views[:, 9:23, 9:23], torch.ones(14, 14), atol=1e-4)
    for corner in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
        assert float((views[:, corner[0], corner[1]] < 0.5).float().mean()) > 0.9
    area = views.mean(dim=(1, 2))
    assert 0.3 < float(area.min()) < 0.5
    assert 0.7 < float(area.max()) < 1.0
    assert abs(float(views.mean(dim=0)[:, :16].mean() - views.mean(dim=0)[:, 16:].mean())) < 0.02


def test_agc_s_views_are_bicubic_warps_to_the_drawn_corners(images, noise):
    moves = noise.uniform((4, 2)) * 0.5 * 4  # half of half a side of 8 pixels
    corners = torch.tensor([[0.0, 0.0], [8.0, 0.0], [8.0, 8.0], [0.0, 8.0]])
    corners = corners + moves * torch.tensor([[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]])
    theirs = warp(images, perspective(corners, 8, 8), mode="bicubic")
    assert torch.allclose(AGC().view(images, noise), theirs, atol=1e-9)


def restated_clipure_logits(model, pixels, noise, steps, size, texts):
    """One image, with autograd's gradient of the cosine as in the published code, divided by its own length."""
    null = sum(unit(model.model.encode_text([text])[0]) for text in texts) / len(texts)
    embedding = unit(model.features(pixels)[0].detach())
    for _ in range(steps):
        leaf = embedding.clone().requires_grad_(True)
        (-functional.cosine_similarity(leaf, null, dim=0)).backward()
        embedding = unit(embedding - size * leaf.grad / leaf.grad.norm())
    return model.logits(embedding.unsqueeze(0))


@pytest.mark.parametrize(("steps", "size"), [(10, 30.0), (3, 30.0), (4, 0.1), (1, 1.5)])
@pytest.mark.parametrize("templates", ["imagenet", "photo"])
def test_clipure_is_its_definition(conv_model, images, noise, steps, size, templates):
    ours = CLIPureCos(num_steps=steps, step_size=size, templates=templates)(conv_model, images, noise)
    options = {"steps": steps, "size": size, "texts": null_texts(templates)}
    theirs = one_by_one(restated_clipure_logits, conv_model, images, noise, **options)
    assert torch.allclose(ours, theirs, atol=1e-9)


def test_clipure_s_templates_are_clip_s_eighty_without_a_class_name():
    texts = null_texts("imagenet")
    assert (len(texts), len(set(texts))) == (80, 80)
    assert "a photo of a ." in texts
    assert all("class" not in text for text in texts)
    assert null_texts("photo") == ("a photo of a .",)


def test_clipure_approaches_the_null_prompts_by_small_steps(conv_model, images, noise):
    null = conv_model.embed_texts(null_texts("photo"))
    before = functional.cosine_similarity(conv_model.features(images), null, dim=-1)
    moved = []
    conv_model.logits = moved.append
    CLIPureCos(num_steps=1, step_size=0.1, templates="photo")(conv_model, images, noise)
    after = functional.cosine_similarity(moved[0], null, dim=-1)
    turned = before.acos() - after.acos()
    assert torch.allclose(turned, torch.full_like(turned, math.atan(0.1)), atol=1e-9)


def test_clipure_s_published_steps_change_nothing_within_88_degrees(images, noise):
    """What the docstring says: two steps of 30, normalised per image, turn an embedding there and back."""
    model = ZeroShotModel(ConvTower(), prompts(4))
    null = model.embed_texts(null_texts("imagenet"))
    within = functional.cosine_similarity(model.features(images), null, dim=-1) > math.cos(math.atan(30.0))
    assert int(within.sum()) > 0
    defended, undefended = CLIPureCos()(model, images, noise), model(images)
    assert torch.allclose(defended[within], undefended[within], atol=1e-9)
    assert not torch.allclose(CLIPureCos(num_steps=9)(model, images, noise), undefended, atol=0.1)


@pytest.fixture
def soft_model():
    """Where predictions are not saturated, AdamW's first step, which divides by the gradient, is well conditioned."""
    tower = ConvTower(scale=4.0)
    tower.logit_bias = -3.0
    return ZeroShotModel(tower, prompts(4))


def restated_r_tpt_logits(model, pixels, noise, defense):
    """One image: AdamW's first step is written out."""
    encoder = model.model.prompt_encoder(defense.context, model.class_names)
    count, scale = defense.num_views, model.model.logit_scale
    views = [pixels] + [augmix_view(pixels, noise.fold(f"view-{view}"), defense.severity) for view in range(1, count)]
    features = torch.stack([unit(model.features(view)[0]) for view in views])

    def logits(context):
        return scale * features @ torch.stack([unit(text) for text in encoder(context)]).T + model.model.logit_bias

    def entropy(rows):
        return torch.distributions.Categorical(logits=rows).entropy()

    chosen = entropy(logits(encoder.context)).argsort()[: max(1, int(count * defense.selection))]
    leaf = encoder.context.clone().requires_grad_(True)
    entropy(logits(leaf)[chosen]).mean().backward()
    tuned = encoder.context * (1 - defense.learning_rate * defense.weight_decay)
    tuned = tuned - defense.learning_rate * leaf.grad / (leaf.grad.abs() + 1e-8)
    scores = []
    for own in range(count):
        nearest = sorted(float(features[own] @ features[other]) for other in range(count) if other != own)
        nearest = nearest[-defense.num_neighbours :]
        scores.append(sum(nearest) / len(nearest) / defense.temperature)
    weights = torch.tensor(scores).softmax(dim=0)
    return (weights.unsqueeze(1) * logits(tuned)).sum(dim=0, keepdim=True)


@pytest.mark.parametrize(
    "options",
    [
        {"num_views": 24},
        {"num_views": 12, "num_neighbours": 3, "learning_rate": 0.3, "weight_decay": 0.5, "selection": 0.4},
        {"num_views": 5, "temperature": 0.1, "context": "an x-ray", "severity": 5.0},
    ],
)
def test_r_tpt_is_its_definition(soft_model, images, noise, options):
    defense, images, noise = RTPT(**options), images[:4], noise.select(torch.arange(4))
    theirs = one_by_one(restated_r_tpt_logits, soft_model, images, noise, defense=defense)
    assert torch.allclose(defense(soft_model, images, noise), theirs, atol=1e-9)


def test_r_tpt_tunes_towards_lower_entropy_and_longer_tuning_lowers_it_further(soft_model, images, noise):
    defense = RTPT(num_views=16, selection=0.25, learning_rate=0.05, weight_decay=0.0)
    encoder = soft_model.model.prompt_encoder(defense.context, soft_model.class_names)
    views = torch.cat(list(defense.views(images[:1], noise.select(torch.tensor([0])))))
    features = functional.normalize(soft_model.features(views), dim=-1)

    def lowest(texts):
        logits = soft_model.model.logit_scale * features @ texts.T
        entropies = torch.distributions.Categorical(logits=logits).entropy()
        return float(entropies.sort().values[:4].mean())

    untuned = functional.normalize(encoder(encoder.context), dim=-1)
    tuned = [
        lowest(RTPT(**{**defense.parameters(), "num_steps": steps}).tuned_texts(soft_model, encoder, features))
        for steps in (1, 5)
    ]
    assert tuned[1] < tuned[0] < lowest(untuned)
    assert not defense.tuned_texts(soft_model, encoder, features).requires_grad


def test_r_tpt_passes_gradients_over_its_tuning(conv_model, images, noise):
    defense = RTPT(num_views=4)
    leaf = images.clone().requires_grad_(True)
    logits = defense.classify(conv_model, leaf, noise)
    (gradient,) = torch.autograd.grad(logits.sum(), leaf)
    assert gradient.isfinite().all()
    assert float(gradient.abs().flatten(1).amax(dim=1).min()) > 0
    assert torch.allclose(logits.detach(), defense(conv_model, images, noise), atol=1e-9)


def test_r_tpt_refuses_a_model_without_context_tokens_before_any_pass(images, noise):
    model = ZeroShotModel(LinearTower(torch.randn(4, 192)), prompts(4))
    with pytest.raises(UserError, match=r"model 'linear' has no context tokens to tune .*demo-clip") as error:
        RTPT()(model, images, noise)
    assert "\n" not in str(error.value)
    assert model.meter.forwards == 0


def test_r_tpt_refuses_biomedclip_s_text_tower():
    tower = get_model("demo-biomedclip").load(torch.device("cpu"))
    with pytest.raises(UserError, match=r"model 'demo-biomedclip' has no context tokens to tune.*HFTextEncoder"):
        tower.prompt_encoder("a photo of a", ("dog",))


@pytest.fixture
def demo_clip(float64):
    return get_model("demo-clip").load(torch.device("cpu"))


def test_clip_s_untuned_context_gives_the_plain_embeddings(demo_clip):
    names = ("red circle", "dog", "histology slide")
    encoder = demo_clip.prompt_encoder("a photo of a", names)
    assert tuple(encoder.context.shape) == (4, 128)
    plain = demo_clip.encode_text([f"a photo of a {name}." for name in names])
    assert torch.allclose(encoder(encoder.context), plain, atol=1e-9)


def test_clip_s_context_tokens_are_those_of_the_words(demo_clip):
    """The tokens of another context of as many words, put in place of this one's, give that context's prompts."""
    names = ("red circle", "dog")
    photo, drawing = (demo_clip.prompt_encoder(f"a {word} of a", names) for word in ("photo", "picture"))
    expected = demo_clip.encode_text([f"a picture of a {name}." for name in names])
    assert torch.allclose(photo(drawing.context), expected, atol=1e-9)
    assert not torch.allclose(photo(photo.context), expected, atol=1e-3)


def test_clip_s_prompts_are_differentiable_and_leave_the_tower_as_it_was(demo_clip):
    encoder = demo_clip.prompt_encoder("a photo of a", ("dog", "cat"))
    before = demo_clip.encode_text(["a photo of a dog."])
    leaf = encoder.context.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(encoder(leaf)[0].sum(), leaf)
    assert (gradient.abs().amax(dim=1) > 0).all()
    assert torch.equal(demo_clip.encode_text(["a photo of a dog."]), before)


def test_an_empty_context_is_refused(demo_clip):
    with pytest.raises(UserError, match="the context '' has no tokens of its own"):
        demo_clip.prompt_encoder("", ("dog", "cat"))


def test_r_tpt_runs_on_demo_clip(demo_clip):
    model = ZeroShotModel(demo_clip, {"circle": ("a photo of a circle.",), "square": ("a photo of a square.",)})
    image = drawn(torch.rand, 2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    noise = Noise(0, torch.arange(2))
    defense = RTPT(num_views=4)
    theirs = one_by_one(restated_r_tpt_logits, model, image, noise, defense=defense)
    assert torch.allclose(defense(model, image, noise), theirs, atol=1e-9)
