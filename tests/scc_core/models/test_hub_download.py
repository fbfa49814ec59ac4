"""Fetching models from a hub: a real server, a real cache; resumed, verified, and refused in one line."""

from __future__ import annotations

from pathlib import Path

import huggingface_hub
import pytest
import torch

from scc_core.errors import UserError
from scc_core.models import get_model
from scc_core.models.hub.cache import check_blob, find_file
from scc_core.models.hub.download import download_file
from scc_core.models.hub.fetch_model import fetch_missing, fetch_model
from scc_core.models.sources import OpenClipSourceError
from tests.miniatures import biomedclip
from tests.miniatures.hub import COMMIT, Hub, etag_of, running_hub, write_cache

WEIGHTS = "open_clip_model.safetensors"
TINY = "owner/tiny"


@pytest.fixture(scope="module")
def module(tmp_path_factory) -> torch.nn.Module:
    return biomedclip.build_module(tmp_path_factory.mktemp("bert"))


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("SCCBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "hub"


@pytest.fixture
def hub(module, cache, monkeypatch):
    """A server with BiomedCLIP's two repositories and one of bytes, which this process takes for the hub."""
    repositories = {
        biomedclip.REPOSITORY: biomedclip.model_files(module, safetensors=True),
        biomedclip.TEXT_REPOSITORY: biomedclip.text_files(),
        TINY: {WEIGHTS: bytes(range(256)) * 400, "README.md": b"nothing"},
    }
    with running_hub(repositories) as server:
        # What the variable HF_ENDPOINT sets when the client is imported.
        template = f"{server.address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server.address)
        monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield server


def test_a_model_is_fetched_whole_and_loads_without_the_hub(hub: Hub, monkeypatch):
    lines: list[str] = []
    digest = fetch_model(biomedclip.NAME, lines.append)
    assert [line.split(" (")[0] for line in lines] == [
        f"downloading {name} of {repository}"
        for repository, name in (
            (biomedclip.REPOSITORY, "open_clip_config.json"),
            (biomedclip.REPOSITORY, WEIGHTS),
            (biomedclip.TEXT_REPOSITORY, "config.json"),
            (biomedclip.TEXT_REPOSITORY, "vocab.txt"),
            (biomedclip.TEXT_REPOSITORY, "tokenizer_config.json"),
        )
    ]
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    asked = len(hub.requests)
    entry = get_model(biomedclip.NAME)
    assert entry.digest() == digest
    assert entry.load(torch.device("cpu")).encode_text(["a photo"]).shape == (1, 512)
    assert len(hub.requests) == asked


def test_an_image_tower_alone_fetches_the_base_that_lends_its_text_tower(hub: Hub, module, monkeypatch, tmp_path):
    tower = {f"module.{name}": tensor for name, tensor in module.visual.state_dict().items()}
    torch.save({"vision_encoder_state_dict": tower}, tmp_path / "tower.pth.tar")
    name = f"checkpoint:{biomedclip.NAME}:{tmp_path / 'tower.pth.tar'}"
    lines: list[str] = []
    digest = fetch_model(name, lines.append)
    assert f"downloading {WEIGHTS} of {biomedclip.REPOSITORY}" in [line.split(" (")[0] for line in lines]
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert get_model(name).digest() == digest != get_model(biomedclip.NAME).digest()
    images = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    first, second = (get_model(one).load(torch.device("cpu")) for one in (name, biomedclip.NAME))
    assert torch.equal(first.encode_image(images), second.encode_image(images))
    assert torch.equal(first.encode_text(["a scan"]), second.encode_text(["a scan"]))


def test_what_is_there_is_not_downloaded_again(hub: Hub):
    fetch_model(biomedclip.NAME, lambda _line: None)
    lines: list[str] = []
    before = len(hub.ranges(f"{WEIGHTS}?signature=1"))
    fetch_model(biomedclip.NAME, lines.append)
    fetch_missing([biomedclip.NAME, "demo-clip"], lines.append)
    assert lines == []
    assert len(hub.ranges(f"{WEIGHTS}?signature=1")) == before == 1


def test_the_cache_is_laid_out_as_the_hub_s_client_expects(hub: Hub, cache):
    path = download_file(TINY, WEIGHTS, "main", lambda _line: None)
    assert path == cache / "models--owner--tiny" / "snapshots" / COMMIT / WEIGHTS
    assert path.read_bytes() == hub.repositories[TINY][WEIGHTS]
    found = huggingface_hub.hf_hub_download(TINY, WEIGHTS, cache_dir=cache, local_files_only=True)
    assert Path(found) == path
    assert find_file(TINY, WEIGHTS) == path
    blobs = [one.name for one in (cache / "models--owner--tiny" / "blobs").iterdir() if one.suffix != ".lock"]
    assert blobs == [path.resolve().name]


def test_an_interrupted_download_continues_where_it_ended(hub: Hub, cache):
    content = hub.repositories[TINY][WEIGHTS]
    path = download_file(TINY, WEIGHTS, "main", lambda _line: None)
    blob = path.resolve()
    path.unlink()
    blob.rename(blob.with_name(f"{blob.name}.sccbench-partial"))
    with blob.with_name(f"{blob.name}.sccbench-partial").open("r+b") as partial:
        partial.truncate(30_000)
    assert download_file(TINY, WEIGHTS, "main", lambda _line: None).read_bytes() == content
    assert hub.ranges(f"{WEIGHTS}?signature=1") == [None, "bytes=30000-"]


@pytest.mark.parametrize("left", [b"x" * 30_000, b"x" * 200_000], ids=["other bytes", "too many bytes"])
def test_what_an_interrupted_download_left_is_not_believed(hub: Hub, cache, left):
    content = hub.repositories[TINY][WEIGHTS]
    blobs = cache / "models--owner--tiny" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / f"{etag_of(WEIGHTS, content)}.sccbench-partial").write_bytes(left)
    if len(left) < len(content):
        with pytest.raises(OpenClipSourceError, match="arrived damaged"):
            download_file(TINY, WEIGHTS, "main", lambda _line: None)
    assert download_file(TINY, WEIGHTS, "main", lambda _line: None).read_bytes() == content


def test_what_arrives_damaged_is_refused_and_not_kept(hub: Hub, cache):
    hub.damage = True
    with pytest.raises(OpenClipSourceError, match="arrived damaged"):
        download_file(TINY, WEIGHTS, "main", lambda _line: None)
    assert find_file(TINY, WEIGHTS) is None
    assert not [one for one in (cache / "models--owner--tiny" / "blobs").iterdir() if one.suffix != ".lock"]
    hub.damage = False
    assert download_file(TINY, WEIGHTS, "main", lambda _line: None).is_file()


@pytest.mark.parametrize("name", ["weights.bin", "config.json"])
def test_a_file_that_was_damaged_on_disk_is_named_and_removed(cache, name):
    write_cache(cache, {TINY: {name: b"some content"}})
    path = cache / "models--owner--tiny" / "snapshots" / COMMIT / name
    check_blob(path)
    path.resolve().write_bytes(b"other content")
    with pytest.raises(OpenClipSourceError, match=f"{name} in the hub cache is damaged.*fetch it again"):
        check_blob(path)
    assert not path.exists()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("hf-hub:owner/absent", "owner/absent cannot be fetched: the hub has no such repository, or it is private"),
        ("hf-hub:owner/tiny", "owner/tiny cannot be fetched: it has no such file"),
        ("openai/ViT-B-32", "timm/vit_base_patch32_clip_224.openai cannot be fetched: the hub has no such repository"),
    ],
)
def test_what_the_hub_does_not_have_is_said_in_one_line(hub: Hub, name, expected):
    with pytest.raises(UserError) as raised:
        fetch_model(name, lambda _line: None)
    assert str(raised.value).startswith(expected)
    assert "\n" not in str(raised.value)


def test_a_repository_without_weights_names_what_it_has(hub: Hub):
    files = dict(hub.repositories[biomedclip.REPOSITORY])
    del files[WEIGHTS]
    hub.repositories = {**hub.repositories, biomedclip.REPOSITORY: files}
    with pytest.raises(UserError, match=r"has none of open_clip_model\.safetensors, .*it has README\.md, open_c"):
        fetch_model(biomedclip.NAME, lambda _line: None)


def test_the_network_is_left_alone_where_the_user_forbids_it(hub: Hub, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="HF_HUB_OFFLINE is set; unset it, or bring the hub's cache"):
        fetch_model(biomedclip.NAME, lambda _line: None)
    assert hub.requests == []


def test_a_token_goes_to_the_hub_and_to_no_other_host(hub: Hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    download_file(TINY, WEIGHTS, "main", lambda _line: None)
    assert f"/{TINY}/resolve/main/{WEIGHTS}" in hub.tokens
    assert not [path for path in hub.tokens if path.startswith("/content/")]


def test_no_answer_is_said_in_one_line(hub: Hub, monkeypatch):
    template = "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    with pytest.raises(UserError, match=r"cannot be fetched: .*the same command continues") as raised:
        download_file(TINY, WEIGHTS, "main", lambda _line: None)
    assert "\n" not in str(raised.value)
