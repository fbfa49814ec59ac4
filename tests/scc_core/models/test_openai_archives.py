"""TorchScript archives as OpenAI published CLIP: read without running anything in them, always with QuickGELU."""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from open_clip import pretrained
from open_clip.model import convert_weights_to_fp16
from torch import Tensor, nn

from scc_core.errors import SccBenchWarning
from scc_core.models import get_model
from scc_core.models.open_clip.loader import load_open_clip
from scc_core.models.open_clip.weights_file import read_weights
from scc_core.models.sources import OpenClipSourceError
from tests.scc_core.models.small_clip import checkpoint, refusal

pytestmark = [
    pytest.mark.usefixtures("small_architectures", "empty_hub"),
    pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning"),
    pytest.mark.numerics,
]
PIXELS = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))


class Part(nn.Module):
    """A part of a model: it only holds its tensors and its own parts."""

    def forward(self, x: Tensor) -> Tensor:
        return x


class Whole(Part):
    """A model whose answer needs a tensor, so that it can be traced, too."""

    def forward(self, x: Tensor) -> Tensor:
        return x * 2


class WritesAFile(nn.Module):
    """A part whose code runs when torch itself loads it."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def forward(self, x: Tensor) -> Tensor:
        return x

    @torch.jit.export
    def __getstate__(self) -> tuple[str, bool]:
        return self.path, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[str, bool]) -> None:
        self.path, self.training = state
        torch.save(torch.zeros(1), self.path)


def in_openai_s_layout(module: nn.Module) -> nn.Module:
    """The tensors of a module in parts of the same names, weights in half precision, with OpenAI's three buffers."""
    convert_weights_to_fp16(module)
    root = Whole()
    for name, tensor in module.state_dict().items():
        *path, last = name.split(".")
        part: nn.Module = root
        for step in path:
            if step not in part._modules:
                part.add_module(step, Part())
            part = part._modules[step]  # type: ignore[assignment]
        if isinstance(dict(module.named_parameters()).get(name), nn.Parameter):
            part.register_parameter(last, nn.Parameter(tensor.clone()))
        else:
            part.register_buffer(last, tensor.clone())
    for name, value in (("input_resolution", 32), ("context_length", 77), ("vocab_size", 49408)):
        root.register_buffer(name, torch.tensor(value))
    return root.eval()


def made(architecture: str) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return open_clip.create_model(architecture).eval()


def scripted(module: nn.Module, path: Path) -> None:
    torch.jit.script(module).save(str(path))


def traced(module: nn.Module, path: Path) -> None:
    torch.jit.trace(module, torch.zeros(1)).save(str(path))


@pytest.mark.parametrize("save", [scripted, traced])
@pytest.mark.parametrize("architecture", ["tiny", "tiny-resnet"])
def test_an_archive_is_loaded_with_quickgelu_under_either_name(tmp_path, architecture, save):
    path = tmp_path / "model.pt"
    save(in_openai_s_layout(made(architecture)), path)
    module = made(f"{architecture}-quickgelu")
    convert_weights_to_fp16(module)
    module.float()
    for name in (architecture, f"{architecture}-quickgelu"):
        found = load_open_clip(checkpoint(path, name))
        built: Any = found.module
        tokens = found.tokenizer(["a photo of a cat."])
        with torch.no_grad():
            torch.testing.assert_close(built.encode_image(PIXELS), module.encode_image(PIXELS))
            torch.testing.assert_close(built.encode_text(tokens), module.encode_text(tokens))
    with pytest.warns(SccBenchWarning, match="it is an archive of OpenAI's own CLIP, which has QuickGELU") as told:
        by_name = {get_model(checkpoint(path, name)).digest() for name in (architecture, f"{architecture}-quickgelu")}
    # Mean and std are OpenAI's, and nothing of it is assumed.
    assert len(told) == 1
    assert hashlib.sha256(path.read_bytes()).hexdigest() in by_name
    assert len(by_name) == 2


def test_its_tensors_are_those_that_torch_itself_reads_and_the_file_stays_as_it_is(tmp_path):
    path = tmp_path / "model.pt"
    scripted(in_openai_s_layout(made("tiny")), path)
    before = path.read_bytes()
    expected = torch.jit.load(path).state_dict()
    found = read_weights(path)
    assert found.openai_archive
    assert set(expected) - set(found.tensors) == {"input_resolution", "context_length", "vocab_size"}
    for name, tensor in found.tensors.items():
        assert tensor.dtype is expected[name].dtype
        assert torch.equal(tensor, expected[name]), name
        tensor.zero_()
    assert path.read_bytes() == before


def test_a_mask_that_an_archive_holds_for_each_layer_is_no_weight(tmp_path):
    root: Any = in_openai_s_layout(made("tiny"))
    root.transformer.resblocks.get_submodule("0").register_buffer("attn_mask", torch.zeros(77, 77))
    scripted(root, tmp_path / "model.pt")
    with pytest.warns(SccBenchWarning, match="OpenAI's own CLIP"):
        get_model(checkpoint(tmp_path / "model.pt", "tiny")).digest()


def test_one_that_open_clip_knows_as_published_is_loaded_under_its_plain_name(tmp_path, monkeypatch):
    path = tmp_path / "tiny.pt"
    scripted(in_openai_s_layout(made("tiny")), path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    url = f"https://openaipublic.azureedge.net/clip/models/{digest}/tiny.pt"
    tags = {"openai": pretrained._pcfg(url=url, hf_hub="owner/tiny/", quick_gelu=True)}
    monkeypatch.setitem(pretrained._PRETRAINED, "tiny", tags)
    with pytest.warns(SccBenchWarning, match="which has QuickGELU"):
        get_model(checkpoint(path, "tiny")).digest()


def test_an_archive_lends_its_text_tower_and_tells_that_of_tuned_weights(tmp_path, monkeypatch):
    folder = tmp_path / "home" / ".cache" / "clip"
    folder.mkdir(parents=True)
    module = made("tiny")
    state = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    scripted(in_openai_s_layout(module), folder / "tiny.pt")
    digest = hashlib.sha256((folder / "tiny.pt").read_bytes()).hexdigest()
    url = f"https://openaipublic.azureedge.net/clip/models/{digest}/tiny.pt"
    tags = {"openai": pretrained._pcfg(url=url, hf_hub="owner/tiny/", quick_gelu=True)}
    monkeypatch.setitem(pretrained._PRETRAINED, "tiny", tags)
    torch.save(state, tmp_path / "tuned.pt")
    with pytest.warns(SccBenchWarning, match="built with QuickGELU: its text tower is that of openai/tiny"):
        get_model(checkpoint(tmp_path / "tuned.pt", "tiny")).digest()
    tower = {name.removeprefix("visual."): value for name, value in state.items() if name.startswith("visual.")}
    torch.save({"vision_encoder_state_dict": tower}, tmp_path / "tower.pt")
    name = checkpoint(tmp_path / "tower.pt", checkpoint(folder / "tiny.pt", "tiny"))
    torch.testing.assert_close(
        load_open_clip(name).module.encode_image(PIXELS),  # type: ignore[operator]
        load_open_clip(checkpoint(tmp_path / "tuned.pt", "tiny")).module.encode_image(PIXELS),  # type: ignore[operator]
    )


def test_code_of_an_archive_is_not_run(tmp_path):
    harmful = in_openai_s_layout(made("tiny"))
    harmful.add_module("harm", WritesAFile(str(tmp_path / "ran")))
    path = tmp_path / "model.pt"
    scripted(harmful, path)
    (tmp_path / "ran").unlink(missing_ok=True)
    torch.jit.load(path)
    assert (tmp_path / "ran").exists(), "the file does harm where its code runs"
    (tmp_path / "ran").unlink()
    with pytest.raises(OpenClipSourceError, match="the state of an object is a tuple"):
        read_weights(path)
    assert not (tmp_path / "ran").exists()


def rewritten(path: Path, change: Callable[[dict[str, bytes]], None], compression: int = zipfile.ZIP_STORED) -> None:
    """Change the members of an archive."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


class Runs:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.fixture
def archive(tmp_path) -> Path:
    path = tmp_path / "model.pt"
    scripted(in_openai_s_layout(made("tiny")), path)
    return path


def member(members: dict[str, bytes], ending: str) -> str:
    return next(name for name in members if name.endswith(ending))


def test_a_pickle_in_an_archive_that_would_run_code_is_refused(tmp_path, archive):
    rewritten(archive, lambda members: members.update({"model/data.pkl": pickle.dumps(Runs(tmp_path / "ran"))}))
    with pytest.raises(OpenClipSourceError, match=rf"asks for {os.mkdir.__module__}\.mkdir, which no weights need"):
        read_weights(archive)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda members: members.update({member(members, "/data/0"): b"short"}), "is compressed, or not of"),
        (lambda members: members.pop(member(members, "/data/0")), "There is no item named 'model/data/0'"),
        (lambda members: members.update({"model/data.pkl": b"\x80\x02."}), "is no file of plain tensors"),
        (lambda members: members.update({"model/data.pkl": b"nonsense"}), "is no file of plain tensors"),
        (lambda members: members.pop("model/data.pkl"), "There is no item named 'model/data.pkl'"),
        (lambda members: members.update({"model/data.pkl": pickle.dumps([1], 2)}), "but not one of OpenAI's CLIP"),
    ],
)
def test_a_damaged_archive_is_one_line(archive, change, expected):
    rewritten(archive, change)
    with pytest.raises(OpenClipSourceError, match=expected) as raised:
        read_weights(archive)
    assert "\n" not in str(raised.value)


def test_an_archive_that_holds_itself_is_refused(archive):
    def name(text: str) -> bytes:
        return b"X" + len(text).to_bytes(4, "little") + text.encode()

    numbers = b"".join(name(one) + b"K\x01" for one in ("input_resolution", "context_length", "vocab_size"))
    record = b"\x80\x02c__torch__\nT\n)\x81q\x00}(" + numbers + name("again") + b"h\x00ub."
    rewritten(archive, lambda members: members.update({"model/data.pkl": record}))
    with pytest.raises(OpenClipSourceError, match="holds one object twice, the second time as again"):
        read_weights(archive)


def test_a_tensor_that_leaves_its_storage_is_refused(archive):
    def change(members: dict[str, bytes]) -> None:
        # The record's first numbers of elements: a longer view than the storage holds.
        content = members["model/data.pkl"]
        assert b"K\x10K " in content or b"K K\x10" in content
        members["model/data.pkl"] = content.replace(b"K K\x10", b"K\xffK\xff", 1).replace(b"K\x10K ", b"K\xffK\xff", 1)

    rewritten(archive, change)
    with pytest.raises(OpenClipSourceError, match="is no file of plain tensors"):
        read_weights(archive)


def test_a_compressed_archive_is_refused(archive):
    rewritten(archive, lambda members: None, zipfile.ZIP_DEFLATED)
    with pytest.raises(OpenClipSourceError, match="is compressed"):
        read_weights(archive)


def test_a_truncated_archive_is_one_line(archive, tmp_path):
    shutil.copy(archive, tmp_path / "cut.pt")
    os.truncate(tmp_path / "cut.pt", archive.stat().st_size // 2)
    with pytest.raises(OpenClipSourceError, match="no file of plain tensors"):
        read_weights(tmp_path / "cut.pt")


def test_an_archive_of_another_module_says_what_to_do(tmp_path):
    torch.jit.script(nn.Linear(2, 2)).save(tmp_path / "script.pt")
    with pytest.raises(OpenClipSourceError, match=r"not one of OpenAI's CLIP.*save its state dict with torch\.save"):
        read_weights(tmp_path / "script.pt")


def test_an_archive_that_does_not_fit_its_architecture_is_named(archive):
    assert "do not fit its architecture" in refusal(checkpoint(archive, "tiny-resnet"))
