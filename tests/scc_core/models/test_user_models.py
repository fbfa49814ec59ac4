"""Models from user code: objects, classes and functions are models; what is none gets one line that says what is."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import EntryPoint

import pytest
import torch

from scc_core.components import registry as registry_module
from scc_core.components.registry import Registry
from scc_core.errors import ComponentError, UserError
from scc_core.models import get_model
from scc_core.models.registry import ModelEntry
from scc_core.models.user_models import as_entry
from tests.components import TinyEntry, TinyTower
from tests.scc_core.conftest import ConvTower


def make_entry() -> TinyEntry:
    return TinyEntry()


def broken_factory() -> TinyEntry:
    raise RuntimeError("no such disk")


def needs_a_path(path: str) -> TinyEntry:
    return TinyEntry()


class WithoutCard:
    def digest(self) -> str:
        return "00"

    def load(self, device: torch.device) -> TinyTower:
        return TinyTower()


class WithoutMethods:
    card = TinyEntry.card


class NoDigest(TinyEntry):
    def digest(self):
        return None


number = 3
HERE = "tests.scc_core.models.test_user_models"


@pytest.mark.parametrize("path", ["tests.components:tiny", "tests.components:TinyEntry", f"{HERE}:make_entry"])
def test_an_object_a_class_and_a_function_are_models(path):
    entry = get_model(path)
    assert entry.card == replace(TinyEntry.card, name=path)
    assert entry.digest() == "00" * 32
    model = entry.load(torch.device("cpu"))
    assert model.name == path
    pixels = torch.rand(2, 3, 8, 8)
    assert torch.equal(model.encode_image(pixels), TinyTower().encode_image(pixels))


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [
        ("number", "is a int without card and digest() and load()"),
        ("WithoutCard", "is a WithoutCard without card;"),
        ("WithoutMethods", "is a WithoutMethods without digest() and load();"),
        ("needs_a_path", "cannot be made without arguments (missing a required argument: 'path')"),
        ("ConvTower", "is a ConvTower without card and digest() and load()"),
    ],
)
def test_what_is_no_model_gets_one_line_that_says_what_a_model_needs(attribute, expected):
    with pytest.raises(UserError) as raised:
        get_model(f"{HERE}:{attribute}")
    assert expected in str(raised.value)
    assert "a model needs `card` (a ModelCard), `digest() -> str` and `load(device)" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_factory_that_raises_is_named():
    with pytest.raises(UserError, match="broken_factory' cannot be made: RuntimeError: no such disk"):
        get_model(f"{HERE}:broken_factory")


def test_a_digest_must_be_a_word():
    with pytest.raises(UserError, match=r"digest\(\) returned None; it must be a word that changes"):
        get_model(f"{HERE}:NoDigest").digest()


def test_entry_points_may_be_factories_too(monkeypatch):
    entry = EntryPoint("mine", f"{HERE}:make_entry", "sccbench.test")
    monkeypatch.setattr(registry_module, "entry_points", lambda group, **_: [entry] if group == "sccbench.test" else [])
    registry: Registry[ModelEntry] = Registry("model", "sccbench.test")
    assert as_entry("mine", registry.get("mine")).card == replace(TinyEntry.card, name="mine")


class Trainable(ConvTower):
    def __init__(self) -> None:
        super().__init__()
        self.head.requires_grad_(True)


class BatchNormalising(ConvTower):
    def encode_image(self, pixels):
        features = super().encode_image(pixels)
        return features - features.mean(dim=0)


class OtherWidth(ConvTower):
    def encode_text(self, texts):
        return torch.ones(len(texts), 7)


class DeviatingOverTheBatch(ConvTower):
    """The deviation over a batch of one is NaN."""

    def encode_image(self, pixels):
        return super().encode_image(pixels / pixels.std(dim=0).clamp_min(0.1))


class OneRow(ConvTower):
    def encode_image(self, pixels):
        return super().encode_image(pixels)[:1]


class NotFinite(ConvTower):
    def encode_image(self, pixels):
        return super().encode_image(pixels) * float("nan")


class Raising(ConvTower):
    def encode_text(self, texts):
        raise KeyError("cat")


class NoSize(ConvTower):
    def __init__(self) -> None:
        super().__init__()
        self.image_size = None


class NoScale(ConvTower):
    def __init__(self) -> None:
        super().__init__(scale=0.0)


@pytest.mark.parametrize(
    ("loaded", "expected"),
    [
        (lambda: "a string", "load() returned a str, not a VisionLanguageModel"),
        (Trainable, "encode_image computes gradients of its weights; freeze them"),
        (DeviatingOverTheBatch, "depends on the other images of its batch"),
        (BatchNormalising, "depends on the other images of its batch; is the module in training mode?"),
        (OtherWidth, "images are embedded in 4 dimensions, texts in 7"),
        (OneRow, "encode_image of two returned a tensor (1, 4) of torch.float32"),
        (NotFinite, "encode_image returned numbers that are not finite"),
        (Raising, "encode_text raised KeyError: 'cat'"),
        (NoSize, "image_size is None"),
        (NoScale, "logit_scale is 0.0"),
    ],
)
def test_a_loaded_model_that_breaks_the_contract_is_named(loaded, expected):
    class Entry(TinyEntry):
        def load(self, device):
            return loaded()

    with pytest.raises(ComponentError) as raised:
        as_entry("mine", Entry()).load(torch.device("cpu"))
    assert "model 'mine'" in str(raised.value)
    assert expected in str(raised.value)


def test_a_user_model_says_its_family_and_is_general_unless_it_does():
    assert get_model("tests.components:slides").card.family == "biomedical"
    assert get_model("tests.components:medium_clip").card.family == "general"


def test_a_family_that_does_not_exist_is_refused():
    with pytest.raises(UserError, match=r"unknown family of model '.*': 'biomed'\. Did you mean 'biomedical'\?"):
        replace(TinyEntry.card, family="biomed")
