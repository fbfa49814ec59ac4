"""Files of weights: read without running code, loaded only if every tensor has its place, held to what is published."""

from __future__ import annotations

import hashlib
import os
import pickle
import warnings
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from open_clip import pretrained
from safetensors.torch import save_file

from scc_core.errors import SccBenchWarning
from scc_core.models import get_model
from scc_core.models.open_clip.loader import load_open_clip
from scc_core.models.open_clip.weights_file import read_state
from scc_core.models.sources import OpenClipSourceError
from tests.scc_core.models.small_clip import SMALL, checkpoint, local_folder, publish

pytestmark = pytest.mark.usefixtures("small_architectures")


@pytest.mark.numerics
@pytest.mark.filterwarnings("ignore::scc_core.errors.SccBenchWarning")
@pytest.mark.parametrize("ending", [".safetensors", ".pt", ".bin", ".pth"])
@pytest.mark.parametrize("form", ["plain", "training", "distributed"])
def test_every_kind_of_file_gives_the_module_that_was_saved(tmp_path, module, state, ending, form):
    content: Any = {f"module.{name}": tensor for name, tensor in state.items()} if form == "distributed" else state
    path = tmp_path / f"weights{ending}"
    if ending == ".safetensors":
        save_file(content, path)
    else:
        torch.save({"epoch": 3, "name": "run", "state_dict": content} if form == "training" else content, path)
    entry = get_model(checkpoint(path))
    assert entry.card.architecture == "tiny"
    assert entry.digest() == hashlib.sha256(path.read_bytes()).hexdigest()
    pixels = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found = load_open_clip(checkpoint(path)).module.encode_image(pixels)
        torch.testing.assert_close(found, module.encode_image(pixels))


class Payload:
    """Runs a command when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("write", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content))])
def test_a_pickle_that_would_run_code_is_refused_and_runs_none(tmp_path, write):
    path = tmp_path / "weights.pt"
    write({"state_dict": Payload(tmp_path / "ran")}, path)
    with pytest.raises(OpenClipSourceError, match="no file of plain tensors"):
        read_state(path)
    assert not (tmp_path / "ran").exists()


def test_files_that_hold_no_weights_are_named(tmp_path):
    torch.jit.script(torch.nn.Linear(2, 2)).save(tmp_path / "script.pt")
    (tmp_path / "text.safetensors").write_text("not tensors at all")
    torch.save([torch.zeros(2)], tmp_path / "list.pt")
    torch.save({}, tmp_path / "empty.pt")
    for name, expected in (
        ("script.pt", "a TorchScript archive"),
        ("text.safetensors", "no file of plain tensors"),
        ("list.pt", "holds no state dict"),
        ("empty.pt", "holds no state dict"),
    ):
        with pytest.raises(OpenClipSourceError, match=expected) as raised:
            read_state(tmp_path / name)
        assert "\n" not in str(raised.value)


@pytest.mark.filterwarnings("ignore::scc_core.errors.SccBenchWarning")
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda state: state.pop("visual.proj"), "1 missing (visual.proj)"),
        (lambda state: state.update({"visual.extra": torch.zeros(1)}), "1 unexpected (visual.extra)"),
        (
            # Open_clip itself would interpolate these from another image size and say nothing.
            lambda state: state.update({"visual.positional_embedding": torch.zeros(17, 32)}),
            "1 of another shape (visual.positional_embedding (17, 32) for (5, 32))",
        ),
        (
            lambda state: state.update({"positional_embedding": torch.zeros(40, 16)}),
            "1 of another shape (positional_embedding (40, 16) for (77, 16))",
        ),
    ],
)
def test_weights_that_do_not_fit_name_what_differs(tmp_path, state, change, expected):
    changed = dict(state)
    change(changed)
    save_file(changed, tmp_path / "weights.safetensors")
    with pytest.raises(OpenClipSourceError) as raised:
        load_open_clip(checkpoint(tmp_path / "weights.safetensors"))
    assert expected in str(raised.value)


def test_published_quickgelu_weights_are_refused_without_quickgelu(tmp_path, state, monkeypatch):
    path = tmp_path / "weights.safetensors"
    save_file(state, path)
    publish(monkeypatch, path, quick_gelu=True)
    with pytest.raises(OpenClipSourceError, match=r"trained with QuickGELU.*name the architecture tiny-quickgelu"):
        get_model(checkpoint(path, "tiny")).digest()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SccBenchWarning)
        found = get_model(checkpoint(path, "tiny-quickgelu")).load(torch.device("cpu"))
    assert not torch.allclose(found.encode_image(torch.rand(1, 3, 32, 32)), torch.zeros(1, 16))


def test_a_file_in_the_hub_s_cache_is_known_by_its_repository(tmp_path, state, monkeypatch):
    folder = tmp_path / "models--timm--vit_base_patch32_clip_224.openai" / "snapshots" / "main"
    folder.mkdir(parents=True)
    save_file(state, folder / "weights.safetensors")
    with pytest.raises(OpenClipSourceError, match="the weights are openai/ViT-B-32, trained with QuickGELU"):
        get_model(checkpoint(folder / "weights.safetensors", "tiny")).digest()


def test_a_folder_is_held_to_the_published_weights_that_it_holds(tmp_path, state, monkeypatch):
    mean = {"mean": [0.5, 0.5, 0.5], "std": list(pretrained.OPENAI_DATASET_STD)}
    name = local_folder(tmp_path / "mine", state, {"model_cfg": SMALL, "preprocess_cfg": mean})
    publish(monkeypatch, tmp_path / "mine" / "open_clip_model.safetensors", quick_gelu=True)
    with pytest.raises(OpenClipSourceError) as raised:
        get_model(name).digest()
    assert 'set "quick_gelu": true in its model_cfg' in str(raised.value)
    assert "expect mean 0.481455, 0.457827, 0.408211, but the configuration says 0.5, 0.5, 0.5" in str(raised.value)


def test_what_has_to_be_assumed_is_warned_of(tmp_path, state, monkeypatch):
    name = local_folder(tmp_path / "mine", state, {"model_cfg": SMALL})
    with pytest.warns(SccBenchWarning, match="gives no mean and no std; OpenAI's are assumed"):
        get_model(name).digest()
    save_file(state, tmp_path / "weights.safetensors")
    with pytest.warns(SccBenchWarning, match="nothing says which mean and std tiny needs"):
        get_model(checkpoint(tmp_path / "weights.safetensors")).digest()
    tags = {"a": pretrained._pcfg(hf_hub="a/a/"), "b": pretrained._slpcfg(hf_hub="b/b/")}
    monkeypatch.setitem(pretrained._PRETRAINED, "tiny", tags)
    with pytest.warns(SccBenchWarning, match="published weights of tiny differ in mean and std"):
        get_model(checkpoint(tmp_path / "weights.safetensors")).digest()
    monkeypatch.setitem(pretrained._PRETRAINED, "tiny", {"b": tags["b"]})
    with pytest.warns(SccBenchWarning, match=r"resize_mode 'squash' \(here: 'shortest'\)"):
        parts = load_or_digest(checkpoint(tmp_path / "weights.safetensors"))
    assert parts.mean == (0.5, 0.5, 0.5)


def load_or_digest(name: str):
    get_model(name).digest()
    return load_open_clip(name)


def test_a_configuration_that_timm_s_tower_does_not_follow_is_refused(tmp_path):
    config = {
        "embed_dim": 16,
        "vision_cfg": {"timm_model_name": "vit_tiny_patch16_224", "timm_pool": "", "image_size": 384},
        "text_cfg": SMALL["text_cfg"],
    }
    built = open_clip.CLIP(16, dict(config["vision_cfg"]), dict(config["text_cfg"]))
    state = {key: tensor.contiguous() for key, tensor in built.state_dict().items()}
    name = local_folder(tmp_path / "mine", state, {"model_cfg": config, "preprocess_cfg": {}})
    with pytest.raises(OpenClipSourceError, match="says 384 px, but timm's image tower takes 224 px"):
        load_open_clip(name)
