"""The open_clip loader: what it returns, which traps it avoids, and its errors."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import open_clip
import pytest
import torch
from open_clip.factory import _find_checkpoint_in_dir

from scc_core.embedded.sources import EMBEDDED_MODELS, embedded_model_source
from scc_core.errors import UserError
from scc_core.models.open_clip.loader import load_open_clip
from scc_core.models.open_clip.locate import locate
from scc_core.models.open_clip.tables import tag_settings
from scc_core.models.sources import HubSource, OpenClipSourceError, parse_source

OPENAI_MEAN = (0.48145466, 0.4578275, 0.40821073)
OPENAI_STD = (0.26862954, 0.26130258, 0.27577711)


@pytest.fixture(params=EMBEDDED_MODELS)
def source(request: pytest.FixtureRequest) -> str:
    return embedded_model_source(request.param)


def test_parts_describe_the_model(source: str) -> None:
    parts = load_open_clip(source)
    states = [(parameter.requires_grad, parameter.dtype) for parameter in parts.module.parameters()]
    assert set(states) == {(False, torch.float32)}
    assert not parts.module.training
    assert (parts.image_size, parts.mean, parts.std) == (64, OPENAI_MEAN, OPENAI_STD)


def test_loading_says_nothing_of_random_weights(source: str, caplog: pytest.LogCaptureFixture) -> None:
    load_open_clip(source)
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == []


def test_tokenizer_stays_inside_the_trimmed_vocabulary(source: str) -> None:
    parts = load_open_clip(source)
    tokens = parts.tokenizer(["This is a photo of a red circle.", "zygote, 42 % quixotic jazz"])
    vocabulary_size = next(
        module.num_embeddings for module in parts.module.modules() if isinstance(module, torch.nn.Embedding)
    )
    assert tokens.shape == (2, 24)
    assert tokens.dtype == torch.int64
    assert int(tokens.min()) >= 0
    assert int(tokens.max()) < vocabulary_size
    assert not torch.equal(tokens[0], tokens[1])


def test_clip_tokenizer_agrees_with_open_clips_own_on_frequent_words() -> None:
    ours = load_open_clip(embedded_model_source("demo-clip")).tokenizer(["a photo of a heart"])[0]
    full = open_clip.SimpleTokenizer(context_length=24)(["a photo of a heart"])[0]
    assert ours[1:6].tolist() == full[1:6].tolist()


@pytest.mark.numerics
def test_same_embeddings_as_open_clip_itself() -> None:
    source = embedded_model_source("demo-clip")
    pixels = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    theirs = open_clip.create_model(source).eval()
    with torch.no_grad():
        expected = theirs.encode_image(pixels)
        found = load_open_clip(source).module.encode_image(pixels)  # type: ignore[operator]
    torch.testing.assert_close(found, expected)


def test_digests_of_the_embedded_models_are_those_of_their_weights_and_import_no_open_clip() -> None:
    sources = [embedded_model_source(name) for name in EMBEDDED_MODELS]
    program = (
        f"import sys; from scc_core.models import get_model; names = {EMBEDDED_MODELS!r}\n"
        "print(*(get_model(name).digest() for name in names), 'open_clip' in sys.modules, 'timm' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    files = [Path(one.removeprefix("local-dir:")) / "open_clip_model.safetensors" for one in sources]
    digests = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    assert answer.stdout.split() == [*digests, "False", "False"]


@pytest.mark.parametrize(
    "names",
    [
        ("model.safetensors", "open_clip_model.safetensors"),
        ("pytorch_model.bin", "open_clip_pytorch_model.bin", "a.safetensors"),
        ("z.pth", "b.bin", "c.safetensors"),
        ("z.pth",),
    ],
)
def test_chooses_the_weights_file_that_open_clip_chooses(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": {"vision_cfg": {}, "text_cfg": {}}}))
    chosen = _find_checkpoint_in_dir(tmp_path)
    assert chosen is not None
    assert locate(f"local-dir:{tmp_path}").weights == Path(chosen)


def _fails(source: str) -> str:
    with pytest.raises(OpenClipSourceError) as raised:
        load_open_clip(source)
    text = str(raised.value)
    assert "\n" not in text
    assert isinstance(raised.value, UserError)
    return text


def test_missing_folder_is_named(tmp_path: Path) -> None:
    assert _fails(f"local-dir:{tmp_path}/absent").endswith(f"there is no folder '{tmp_path}/absent'")


def test_folder_without_config_lists_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").touch()
    assert _fails(f"local-dir:{tmp_path}").endswith("has no open_clip_config.json; it holds weights.bin")


def test_folder_without_weights_says_what_to_put_there(tmp_path: Path) -> None:
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": {"vision_cfg": {}, "text_cfg": {}}}))
    assert _fails(f"local-dir:{tmp_path}").endswith("put open_clip_model.safetensors there")


@pytest.mark.parametrize("content", ["not json", "[]", '{"model_cfg": {}}'])
def test_broken_config_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "open_clip_config.json").write_text(content)
    (tmp_path / "open_clip_model.safetensors").touch()
    assert "open_clip_config.json' is not an open_clip config" in _fails(f"local-dir:{tmp_path}")


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    config = Path(embedded_model_source("demo-clip").removeprefix("local-dir:")) / "open_clip_config.json"
    (tmp_path / "open_clip_config.json").write_text(config.read_text())
    save_file({"logit_scale": torch.tensor(1.0)}, tmp_path / "open_clip_model.safetensors")
    text = _fails(f"local-dir:{tmp_path}")
    assert "do not fit its architecture" in text
    assert "missing (positional_embedding" in text


def test_unknown_tag_lists_the_existing_ones() -> None:
    text = _fails("opnai/ViT-B-32")
    assert "no tag 'opnai' of architecture 'ViT-B-32'" in text
    assert "openai" in text.partition("its tags: ")[2].split(", ")


def test_unknown_architecture_is_named() -> None:
    assert "no pretrained weights of that architecture" in _fails("openai/ViT-Z-1")


def test_source_of_no_known_form_lists_the_forms() -> None:
    text = _fails("ViT-B-32")
    assert all(form in text for form in ("local-dir:PATH", "hf-hub:OWNER/NAME", "TAG/ARCHITECTURE"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("hf-hub:one", "names no repository; write hf-hub:OWNER/NAME"),
        ("checkpoint:ViT-B-32", "write checkpoint:ARCHITECTURE:PATH"),
        ("checkpoint:ViT-B-32:/weights.npz", "with a file that ends in .safetensors, .pt, .pth, .bin"),
        ("checkpoint:ViT-B-33:/weights.pt", "unknown open_clip architecture 'ViT-B-33'. Did you mean 'ViT-B-32'?"),
        ("checkpoint:ViT-B-32:/absent.pt", "there is no file '/absent.pt'"),
    ],
)
def test_a_source_that_is_wrong_says_how_it_is_written(name: str, expected: str) -> None:
    assert expected in _fails(name)


def test_a_revision_is_part_of_a_hub_name() -> None:
    assert parse_source("hf-hub:owner/name@abc123") == HubSource("owner/name", "abc123")
    assert parse_source("hf-hub:owner/name") == HubSource("owner/name", "main")


def test_every_tag_of_open_clip_leads_to_a_repository_and_to_its_activation() -> None:
    pairs = open_clip.list_pretrained()
    assert len(pairs) > 150
    for architecture, tag in pairs:
        settings = tag_settings(f"{tag}/{architecture}", architecture, tag)
        assert settings.repository.count("/") == 1
        assert set(settings.preprocessing) == {"mean", "std", "interpolation", "resize_mode"}
    assert tag_settings("", "ViT-B-32", "openai").quick_gelu
    assert not tag_settings("", "ViT-B-32", "laion2b_s34b_b79k").quick_gelu
