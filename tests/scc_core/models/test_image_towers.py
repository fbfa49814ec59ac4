"""Files that hold a fine-tuned image tower alone: they stand on the text tower of a named base model."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from open_clip import pretrained
from safetensors.torch import load_file, save, save_file
from torch import Tensor

from scc_core.embedded.sources import embedded_model_source
from scc_core.errors import NotFetchedError, SccBenchWarning
from scc_core.models import get_model
from scc_core.models.open_clip.loader import load_open_clip
from scc_core.models.open_clip.weights_file import read_weights
from scc_core.models.sources import OpenClipSourceError
from tests.miniatures.hub import write_cache
from tests.scc_core.models.small_clip import RESNET, SMALL, checkpoint, local_folder, refusal

pytestmark = [pytest.mark.usefixtures("small_architectures", "empty_hub"), pytest.mark.numerics]
PIXELS = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
MEAN = {"mean": list(pretrained.OPENAI_DATASET_MEAN), "std": list(pretrained.OPENAI_DATASET_STD)}
KEY = "vision_encoder_state_dict"
State = dict[str, Tensor]


def tower_of(state: State) -> State:
    """The image tower of a model, moved a little, under its own names."""
    return {key.removeprefix("visual."): value * 1.01 for key, value in state.items() if key.startswith("visual.")}


def prefixed(prefix: str, state: State) -> State:
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


@pytest.fixture
def base(tmp_path, state) -> str:
    """A base model with QuickGELU, in a folder."""
    config = {"model_cfg": {**SMALL, "quick_gelu": True}, "preprocess_cfg": MEAN}
    return local_folder(tmp_path / "base", state, config)


def expected(state: State, architecture: str = "tiny-quickgelu") -> Any:
    module = open_clip.create_model(architecture).eval()
    module.load_state_dict({**state, **prefixed("visual.", tower_of(state))})
    return module


def assert_is_tuned(name: str, module: Any) -> None:
    found = load_open_clip(name)
    tokens = found.tokenizer(["a photo of a cat.", "a dog"])
    built: Any = found.module
    with torch.no_grad():
        torch.testing.assert_close(built.encode_image(PIXELS), module.encode_image(PIXELS))
        torch.testing.assert_close(built.encode_text(tokens), module.encode_text(tokens))
    assert torch.equal(built.logit_scale, module.logit_scale.detach())


def training(tower: State) -> dict[str, Any]:
    """What a training loop saves: epochs, optimiser, arguments, numbers of numpy, an empty prompter."""
    return {
        "epoch": 10,
        "state_dict": {},
        "best_acc1": np.float64(51.2),
        "history": np.arange(3.0),
        "args": argparse.Namespace(train_eps=1, root=Path("/data")),
        "optimizer": {"state": {0: {"momentum_buffer": torch.zeros(3)}}, "param_groups": [{"lr": 1e-4}]},
        KEY: tower,
    }


FORMS: dict[str, Any] = {
    "the key of the authors of TTC": lambda tower: {KEY: tower},
    "a training checkpoint": training,
    "its names alone": lambda tower: tower,
    "in state_dict": lambda tower: {"state_dict": tower},
    "in model": lambda tower: {"epoch": 3, "model": prefixed("visual.", tower)},
    "in model_state_dict": lambda tower: {"model_state_dict": prefixed("module.visual.", tower)},
    "nested": lambda tower: {"state_dict": {KEY: prefixed("module.", tower), "step": 4}},
    "module.": lambda tower: {KEY: prefixed("module.", tower)},
    "visual.": lambda tower: {KEY: prefixed("visual.", tower)},
    "model.visual.": lambda tower: prefixed("model.visual.", tower),
    "module.model.visual.module.": lambda tower: prefixed("module.model.visual.module.", tower),
    "compiled": lambda tower: {KEY: prefixed("_orig_mod.", tower)},
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("ending", [".pt", ".pth.tar"])
def test_an_image_tower_stands_on_the_text_tower_of_its_base(tmp_path, state, base, form, ending):
    path = tmp_path / f"tower{ending}"
    torch.save(FORMS[form](tower_of(state)), path)
    get_model(checkpoint(path, base)).digest()
    assert_is_tuned(checkpoint(path, base), expected(state))


def test_files_of_the_old_format_and_of_safetensors_are_read_too(tmp_path, state, base):
    torch.save(training(tower_of(state)), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    save_file(tower_of(state), tmp_path / "tower.safetensors")
    for name in ("old.pth", "tower.safetensors"):
        assert_is_tuned(checkpoint(tmp_path / name, base), expected(state))


@pytest.mark.parametrize("quick_gelu", [True, False])
def test_the_base_may_be_a_tag_and_gives_the_activation(tmp_path, state, monkeypatch, empty_hub, quick_gelu):
    tags = {"mine": pretrained._pcfg(hf_hub="owner/tiny/", quick_gelu=quick_gelu)}
    monkeypatch.setitem(pretrained._PRETRAINED, "tiny", tags)
    path = tmp_path / "tower.pth.tar"
    torch.save(training(tower_of(state)), path)
    with pytest.raises(NotFetchedError, match=r"model 'mine/tiny' is not on this machine.*fetch models mine/tiny"):
        get_model(checkpoint(path, "mine/tiny")).digest()
    write_cache(empty_hub, {"owner/tiny": {"open_clip_model.safetensors": save(state)}})
    assert_is_tuned(checkpoint(path, "mine/tiny"), expected(state, "tiny-quickgelu" if quick_gelu else "tiny"))
    by_name = get_model(checkpoint(path, "mine/tiny")).digest()
    (tmp_path / "tower.toml").write_text('base = "mine/tiny"\n')
    assert_is_tuned(checkpoint(path, "tiny"), expected(state, "tiny-quickgelu" if quick_gelu else "tiny"))
    # The name alone would have given GELU.
    assert (get_model(checkpoint(path, "tiny")).digest() == by_name) is not quick_gelu


def test_the_base_may_be_a_checkpoint_a_tuned_one_or_a_shipped_model(tmp_path, state):
    save_file(state, tmp_path / "whole.safetensors")
    torch.save({KEY: tower_of(state)}, tmp_path / "tower.pt")
    whole = checkpoint(tmp_path / "whole.safetensors", "tiny-quickgelu")
    assert_is_tuned(checkpoint(tmp_path / "tower.pt", whole), expected(state))
    (tmp_path / "tower.toml").write_text(f'base = "{whole}"\n')
    assert_is_tuned(checkpoint(tmp_path / "tower.pt", "tiny"), expected(state))
    demo = load_file(
        Path(embedded_model_source("demo-clip").removeprefix("local-dir:")) / "open_clip_model.safetensors"
    )
    torch.save(
        {KEY: {key.removeprefix("visual."): value for key, value in demo.items() if key.startswith("visual.")}},
        tmp_path / "demo.pt",
    )
    name = f"checkpoint:demo-clip:{tmp_path / 'demo.pt'}"
    assert get_model(name).digest() != get_model("demo-clip").digest()
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    models = [get_model(one).load(torch.device("cpu")) for one in (name, "demo-clip")]
    assert torch.equal(*(model.encode_image(images) for model in models))
    assert torch.equal(*(model.encode_text(["a red circle"]) for model in models))


def test_a_resnet_is_an_image_tower_too(tmp_path):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = open_clip.create_model("tiny-resnet-quickgelu").eval()
    state = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    base = local_folder(tmp_path / "base", state, {"model_cfg": {**RESNET, "quick_gelu": True}, "preprocess_cfg": MEAN})
    tower = {key: value if value.dtype is torch.int64 else value * 1.01 for key, value in state.items()}
    tower = {key.removeprefix("visual."): value for key, value in tower.items() if key.startswith("visual.")}
    torch.save({KEY: tower}, tmp_path / "tower.pt")
    module.load_state_dict({**state, **prefixed("visual.", tower)})
    assert_is_tuned(checkpoint(tmp_path / "tower.pt", base), module)


def test_the_digest_covers_the_image_tower_and_its_base(tmp_path, state, base):
    path = tmp_path / "tower.pt"
    torch.save({KEY: tower_of(state)}, path)
    digests = [get_model(checkpoint(path, base)).digest()]
    torch.save({KEY: {key: value * 1.5 for key, value in tower_of(state).items()}}, path)
    digests.append(get_model(checkpoint(path, base)).digest())
    changed = {**state, "text_projection": state["text_projection"] * 2}
    save_file(changed, tmp_path / "base" / "open_clip_model.safetensors")
    digests.append(get_model(checkpoint(path, base)).digest())
    assert len({*digests, get_model(base).digest()}) == 4


def test_without_a_named_base_the_file_is_refused(tmp_path, state):
    torch.save({KEY: tower_of(state)}, tmp_path / "tower.pt")
    for architecture in ("tiny", "tiny-quickgelu", "tiny-gelu"):
        text = refusal(checkpoint(tmp_path / "tower.pt", architecture))
        assert "holds an image tower alone" in text
        assert f'base = "openai/ViT-B-32" in {tmp_path / "tower.toml"}' in text


def test_in_a_folder_it_is_refused(tmp_path, state):
    tower = prefixed("visual.", tower_of(state))
    config = {"model_cfg": {**SMALL, "quick_gelu": True}, "preprocess_cfg": MEAN}
    with pytest.raises(OpenClipSourceError, match="are an image tower alone; write checkpoint:BASE-MODEL:PATH"):
        load_open_clip(local_folder(tmp_path / "mine", tower, config))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda tower: tower.pop("proj"), "1 missing (visual.proj)"),
        (lambda tower: tower.update({"extra": torch.zeros(1)}), "1 unexpected (visual.extra)"),
        (lambda tower: tower.update({"proj": torch.zeros(32, 8)}), "visual.proj (32, 8) for (32, 16)"),
    ],
)
def test_a_tower_that_does_not_fit_its_base_is_named_before_anything_is_computed(
    tmp_path, state, base, change, problem
):
    tower = tower_of(state)
    change(tower)
    torch.save({KEY: tower}, tmp_path / "tower.pt")
    assert problem in refusal(checkpoint(tmp_path / "tower.pt", base))


def test_a_base_of_another_architecture_or_another_base_than_the_one_beside_is_refused(tmp_path, state, base):
    torch.save({KEY: tower_of(state)}, tmp_path / "tower.pt")
    (tmp_path / "tower.toml").write_text(f'base = "{base}"\n')
    text = refusal(checkpoint(tmp_path / "tower.pt", "tiny-resnet"))
    assert f"its architecture is not that of its base {base}: layers of vision_cfg" in text
    text = refusal(checkpoint(tmp_path / "tower.pt", "openai/ViT-B-32"))
    assert f"was tuned from openai/ViT-B-32 as its name says, from {base} as" in text


def test_weights_that_nothing_reads_are_told(tmp_path, state, base):
    torch.save({KEY: tower_of(state), "prompter": {"pad": torch.ones(3)}}, tmp_path / "tower.pt")
    with pytest.warns(SccBenchWarning, match="its file also holds prompter, which nothing reads"):
        get_model(checkpoint(tmp_path / "tower.pt", base)).digest()


class Runs:
    """Runs a command when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("old", [True, False])
def test_code_beside_the_tower_is_refused_by_name_and_not_run(tmp_path, state, base, old):
    content = {KEY: tower_of(state), "args": Runs(tmp_path / "ran")}
    torch.save(content, tmp_path / "tower.pth.tar", _use_new_zipfile_serialization=not old)
    text = refusal(checkpoint(tmp_path / "tower.pth.tar", base))
    assert f"it asks for {os.mkdir.__module__}.mkdir, which could run code" in text
    assert not (tmp_path / "ran").exists()


def test_what_stands_beside_the_weights_is_never_made(tmp_path, state, monkeypatch):
    """Numbers of numpy and arguments become placeholders: their own classes are not called."""
    torch.save(training(tower_of(state)), tmp_path / "tower.pt")
    monkeypatch.setattr(argparse.Namespace, "__setattr__", lambda *_: pytest.fail("a Namespace was made"))
    assert read_weights(tmp_path / "tower.pt").image_tower_alone
    assert json.dumps(sorted(read_weights(tmp_path / "tower.pt").tensors)) == json.dumps(
        sorted(prefixed("visual.", tower_of(state)))
    )
