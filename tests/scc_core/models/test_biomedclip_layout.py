"""BiomedCLIP as its publisher lays it out, loaded from the hub's cache without a network."""

from __future__ import annotations

import json
from pathlib import Path

import huggingface_hub
import pytest
import torch
from transformers import BertTokenizerFast

from scc_core.errors import NotFetchedError, UserError
from scc_core.models import get_model
from tests.miniatures import biomedclip
from tests.miniatures.hub import write_cache

PROMPTS = ["This is a photo of a benign tumor.", "a photo of normal scans, unknownword"]


@pytest.fixture(scope="module")
def module(tmp_path_factory) -> torch.nn.Module:
    return biomedclip.build_module(tmp_path_factory.mktemp("bert"))


@pytest.fixture
def hub_cache(tmp_path, monkeypatch) -> Path:
    """An empty hub cache, without a network."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("SCCBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "hub"


def expected_tokens(folder: Path) -> torch.Tensor:
    """Tokens by transformers alone, from the vocabulary file."""
    (folder / "words.txt").write_text("\n".join(biomedclip.VOCABULARY))
    tokenizer = BertTokenizerFast(vocab=str(folder / "words.txt"), do_lower_case=True)
    options = {"max_length": 256, "padding": "max_length", "truncation": True, "return_tensors": "pt"}
    return tokenizer(PROMPTS, **options).input_ids


@pytest.mark.numerics
@pytest.mark.parametrize("safetensors", [False, True], ids=["bin", "safetensors"])
def test_its_embeddings_are_those_of_the_module_that_was_saved(module, hub_cache, tmp_path, safetensors):
    files = biomedclip.model_files(module, safetensors=safetensors)
    write_cache(hub_cache, {biomedclip.REPOSITORY: files, biomedclip.TEXT_REPOSITORY: biomedclip.text_files()})
    entry = get_model(biomedclip.NAME)
    assert (entry.card.family, entry.card.image_size, entry.card.context_length) == ("biomedical", 224, 256)
    model = entry.load(torch.device("cpu"))
    pixels = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    mean, std = (torch.tensor(values).reshape(3, 1, 1) for values in (biomedclip.MEAN, biomedclip.STD))
    with torch.no_grad():
        images = module.encode_image((pixels - mean) / std)
        texts = module.encode_text(expected_tokens(tmp_path))
    torch.testing.assert_close(model.encode_image(pixels), images)
    torch.testing.assert_close(model.encode_text(PROMPTS), texts)
    assert not torch.allclose(texts[0], texts[1])
    assert model.logit_scale == pytest.approx(1 / 0.07)


def test_the_digest_follows_weights_configuration_and_vocabulary(module, hub_cache):
    files = biomedclip.model_files(module, safetensors=True)
    repositories = {biomedclip.REPOSITORY: files, biomedclip.TEXT_REPOSITORY: biomedclip.text_files()}
    write_cache(hub_cache, repositories)
    digests = {get_model(biomedclip.NAME).digest()}
    assert digests == {get_model(biomedclip.NAME).digest()}
    for repository, name in (
        (biomedclip.TEXT_REPOSITORY, "vocab.txt"),
        (biomedclip.TEXT_REPOSITORY, "config.json"),
        (biomedclip.REPOSITORY, "open_clip_config.json"),
        (biomedclip.REPOSITORY, "open_clip_model.safetensors"),
    ):
        path = next(hub_cache.glob(f"models--{repository.replace('/', '--')}/snapshots/*/{name}"))
        path.resolve().write_bytes(path.read_bytes() + b"\n")
        digests.add(get_model(biomedclip.NAME).digest())
    assert len(digests) == 5


@pytest.mark.parametrize("gone", ["open_clip_config.json", "open_clip_model.safetensors", "config.json", "vocab.txt"])
def test_what_is_missing_names_the_command_that_fetches_it(module, hub_cache, gone):
    files = biomedclip.model_files(module, safetensors=True)
    repositories = {biomedclip.REPOSITORY: files, biomedclip.TEXT_REPOSITORY: biomedclip.text_files()}
    write_cache(
        hub_cache, {name: {key: kept[key] for key in kept if key != gone} for name, kept in repositories.items()}
    )
    for use in (lambda entry: entry.digest(), lambda entry: entry.load(torch.device("cpu"))):
        with pytest.raises(NotFetchedError) as raised:
            use(get_model(biomedclip.NAME))
        text = str(raised.value)
        assert f"sccbench fetch models {biomedclip.NAME}" in text
        assert "\n" not in text


@pytest.mark.parametrize(
    ("part", "key", "value", "expected"),
    [
        ("vision_cfg", "image_size", 384, "image size 384, the card says 224"),
        ("text_cfg", "context_length", 77, "context length 77, the card says 256"),
        ("preprocess_cfg", "mean", [0.5, 0.5, 0.5], "mean 0.5, 0.5, 0.5, the card says 0.481455, 0.457827, 0.408211"),
        ("preprocess_cfg", "std", [1.0, 1.0, 1.0], "std 1, 1, 1, the card says"),
    ],
)
def test_a_configuration_that_contradicts_the_card_is_refused_before_anything_is_loaded(
    module, hub_cache, part, key, value, expected
):
    config = json.loads(json.dumps(biomedclip.CONFIG))
    (config if part == "preprocess_cfg" else config["model_cfg"])[part][key] = value
    files = biomedclip.model_files(module, safetensors=True, config=config)
    write_cache(hub_cache, {biomedclip.REPOSITORY: files, biomedclip.TEXT_REPOSITORY: biomedclip.text_files()})
    with pytest.raises(UserError, match=expected):
        get_model(biomedclip.NAME).digest()


@pytest.mark.numerics
def test_a_copied_folder_is_held_to_the_card_of_its_repository(module, hub_cache, tmp_path):
    config = json.loads(json.dumps(biomedclip.CONFIG))
    config["preprocess_cfg"]["mean"] = [0.5, 0.5, 0.5]
    folder = tmp_path / biomedclip.REPOSITORY.partition("/")[2]
    for place in (folder, tmp_path / "another-name"):
        place.mkdir()
        files = {**biomedclip.model_files(module, safetensors=True, config=config), **biomedclip.text_files()}
        for name, content in files.items():
            (place / name).write_bytes(content)
    with pytest.raises(UserError, match=r"mean 0\.5, 0\.5, 0\.5, the card of hf-hub:microsoft/BiomedCLIP"):
        get_model(f"local-dir:{folder}").digest()
    model = get_model(f"local-dir:{tmp_path / 'another-name'}").load(torch.device("cpu"))
    pixels = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        std = torch.tensor(biomedclip.STD).reshape(3, 1, 1)
        torch.testing.assert_close(model.encode_image(pixels), module.encode_image((pixels - 0.5) / std))
