"""The activation of a file of weights is named, or told by its text tower; nobody guesses it."""

from __future__ import annotations

import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from open_clip import pretrained
from safetensors.torch import save, save_file
from torch import Tensor

from scc_core.embedded.sources import embedded_model_source
from scc_core.errors import SccBenchWarning, UserError
from scc_core.models import get_model
from scc_core.models.open_clip import text_tower
from scc_core.models.open_clip.add_text_towers import add_text_towers
from scc_core.models.open_clip.loader import load_open_clip
from scc_core.models.open_clip.locate import locate
from scc_core.models.open_clip.text_tower import shipped_text_towers, text_digest_of
from tests.miniatures.hub import write_cache
from tests.scc_core.models.small_clip import SMALL, checkpoint, digest_of, local_folder, publish, refusal

pytestmark = [pytest.mark.usefixtures("small_architectures", "empty_hub"), pytest.mark.numerics]
PIXELS = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def tuned(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights whose image tower moved and whose text tower stayed."""
    return {name: tensor * 1.01 if name.startswith("visual.") else tensor for name, tensor in state.items()}


def write_base(monkeypatch: Any, hub: Path, state: dict[str, Tensor], *, quick_gelu: bool) -> None:
    """Publish weights in half precision as mine/tiny, and put them into the hub's cache."""
    halves = {name: tensor.half() for name, tensor in state.items()}
    write_cache(hub, {"owner/tiny": {"open_clip_model.safetensors": save(halves)}})
    tags = {"mine": pretrained._pcfg(hf_hub="owner/tiny/", quick_gelu=quick_gelu)}
    monkeypatch.setitem(pretrained._PRETRAINED, "tiny", tags)


def embedded_by(architecture: str, state: dict[str, Tensor]) -> Tensor:
    module = open_clip.create_model(architecture).eval()
    module.load_state_dict(state)
    with torch.no_grad():
        return module.encode_image(PIXELS)


def embedded_as(name: str) -> Tensor:
    with torch.no_grad():
        return load_open_clip(name).module.encode_image(PIXELS)  # type: ignore[operator, no-any-return]


@pytest.mark.parametrize("ending", [".safetensors", ".pt", ".pth", ".bin", ".pth.tar"])
def test_weights_that_nobody_knows_are_refused_with_the_ways_to_name_the_activation(tmp_path, state, ending):
    path = tmp_path / f"weights{ending}"
    save_file(state, path) if ending == ".safetensors" else torch.save({"state_dict": state}, path)
    text = refusal(checkpoint(path, "tiny"))
    assert "nothing says whether its weights need QuickGELU or GELU" in text
    assert all(checkpoint(path, name) in text for name in ("tiny-quickgelu", "tiny-gelu"))


def test_a_named_activation_is_built_and_names_that_say_it_keep_their_digest(tmp_path, state):
    path = tmp_path / "weights.safetensors"
    save_file(state, path)
    of_file = hashlib.sha256(path.read_bytes()).hexdigest()
    built = {name: embedded_by(name, state) for name in ("tiny", "tiny-quickgelu")}
    assert not torch.allclose(built["tiny"], built["tiny-quickgelu"])
    for architecture, expected in (("tiny-gelu", "tiny"), ("tiny-quickgelu", "tiny-quickgelu")):
        assert digest_of(checkpoint(path, architecture)) == of_file
        torch.testing.assert_close(embedded_as(checkpoint(path, architecture)), built[expected])
    beside, plain = tmp_path / "weights.toml", checkpoint(path, "tiny")
    beside.write_text('activation = "gelu"\nfamily = "biomedical"\n')
    # What was measured under this name was measured with GELU.
    assert (digest_of(plain), get_model(plain).card.family) == (of_file, "biomedical")
    torch.testing.assert_close(embedded_as(plain), built["tiny"])
    beside.write_text('activation = "quickgelu"\n')
    assert digest_of(plain) not in (of_file, "")
    torch.testing.assert_close(embedded_as(plain), built["tiny-quickgelu"])


def test_two_named_activations_are_refused(tmp_path, state):
    save_file(state, tmp_path / "weights.safetensors")
    (tmp_path / "weights.toml").write_text('activation = "quickgelu"\n')
    text = refusal(checkpoint(tmp_path / "weights.safetensors", "tiny-gelu"))
    assert "has gelu as its name says, quickgelu as" in text


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('activation = "relu"', r"unknown activation in .*weights\.toml: 'relu'.*Existing: gelu, quickgelu"),
        ('activaton = "gelu"', 'holds activaton, expected one or more of the lines: .*activation = "quickgelu"'),
        ("base = 3", "base = 3 is no name of a model"),
    ],
)
def test_a_file_beside_the_weights_that_says_something_else_is_named(tmp_path, state, content, expected):
    torch.save(state, tmp_path / "weights.pth.tar")
    (tmp_path / "weights.toml").write_text(content)
    with pytest.raises(UserError, match=expected):
        get_model(checkpoint(tmp_path / "weights.pth.tar"))


@pytest.mark.parametrize("quick_gelu", [True, False])
def test_the_text_tower_tells_the_activation_of_the_weights_that_were_tuned(
    tmp_path, state, monkeypatch, empty_hub, quick_gelu
):
    write_base(monkeypatch, empty_hub, state, quick_gelu=quick_gelu)
    path = tmp_path / "weights.pt"
    torch.save({"epoch": 1, "state_dict": {f"module.{name}": value for name, value in tuned(state).items()}}, path)
    with pytest.warns(SccBenchWarning, match="its text tower is that of mine/tiny, which has (Quick)?GELU"):
        digest = get_model(checkpoint(path, "tiny")).digest()
    expected = embedded_by("tiny-quickgelu" if quick_gelu else "tiny", tuned(state))
    torch.testing.assert_close(embedded_as(checkpoint(path, "tiny")), expected)
    # Cells that were measured with GELU under this name are not those that are measured with QuickGELU.
    assert (digest == hashlib.sha256(path.read_bytes()).hexdigest()) is not quick_gelu


def test_half_precision_of_the_tuned_weights_changes_nothing(tmp_path, state, monkeypatch, empty_hub):
    write_base(monkeypatch, empty_hub, state, quick_gelu=True)
    save_file({name: value.half() for name, value in tuned(state).items()}, tmp_path / "weights.safetensors")
    assert locate(checkpoint(tmp_path / "weights.safetensors", "tiny")).quick_gelu


@pytest.mark.parametrize("name", ["token_embedding.weight", "transformer.resblocks.0.mlp.c_fc.bias", "text_projection"])
def test_a_text_tower_that_differs_in_one_number_tells_nothing(tmp_path, state, monkeypatch, empty_hub, name):
    write_base(monkeypatch, empty_hub, state, quick_gelu=True)
    changed = {**tuned(state), name: state[name].clone()}
    changed[name].view(-1)[-1] += 0.25
    save_file(changed, tmp_path / "weights.safetensors")
    assert "no published weights on this machine have their text tower" in refusal(
        checkpoint(tmp_path / "weights.safetensors", "tiny")
    )


def test_a_named_activation_wins_over_what_the_text_tower_tells_and_the_contradiction_is_told(
    tmp_path, state, monkeypatch, empty_hub
):
    write_base(monkeypatch, empty_hub, state, quick_gelu=True)
    path = tmp_path / "weights.safetensors"
    save_file(tuned(state), path)
    with pytest.warns(SccBenchWarning, match="built with GELU as it is named, but its text tower is that of mine/tiny"):
        get_model(checkpoint(path)).digest()
    torch.testing.assert_close(embedded_as(checkpoint(path)), embedded_by("tiny", tuned(state)))


def test_mean_and_std_come_from_the_weights_that_the_text_tower_tells(tmp_path, state, monkeypatch, empty_hub):
    path = tmp_path / "weights.safetensors"
    save_file(tuned(state), path)
    write_base(monkeypatch, empty_hub, state, quick_gelu=False)
    assumed = digest_of(checkpoint(path, "tiny"))
    half = {"mean": (0.5, 0.5, 0.5), "std": (0.4, 0.5, 0.6)}
    tags = {"mine": pretrained._pcfg(hf_hub="owner/tiny/", **half), "other": pretrained._pcfg(hf_hub="owner/other/")}
    monkeypatch.setitem(pretrained._PRETRAINED, "tiny", tags)
    parts = load_open_clip(checkpoint(path, "tiny"))
    assert {"mean": parts.mean, "std": parts.std} == half
    assert digest_of(checkpoint(path, "tiny")) != assumed


def test_a_named_base_names_its_activation_without_its_weights(tmp_path, state, monkeypatch, empty_hub):
    tags = {"mine": pretrained._pcfg(hf_hub="owner/tiny/", quick_gelu=True)}
    monkeypatch.setitem(pretrained._PRETRAINED, "tiny", tags)
    path = tmp_path / "weights.safetensors"
    save_file(tuned(state), path)
    found = digest_of(checkpoint(path, "mine/tiny"))
    assert found == hashlib.sha256(path.read_bytes()).hexdigest()
    torch.testing.assert_close(embedded_as(checkpoint(path, "mine/tiny")), embedded_by("tiny-quickgelu", tuned(state)))
    (tmp_path / "weights.toml").write_text('base = "mine/tiny"\n')
    assert digest_of(checkpoint(path, "tiny")) != found
    assert locate(checkpoint(path, "tiny")).quick_gelu


def test_mean_and_std_of_a_base_that_only_the_file_beside_names_are_in_the_digest(tmp_path, state, monkeypatch):
    half = {"mean": (0.5, 0.5, 0.5), "std": (0.4, 0.5, 0.6)}
    tags = {"mine": pretrained._pcfg(hf_hub="owner/tiny/", **half), "other": pretrained._pcfg(hf_hub="owner/other/")}
    monkeypatch.setitem(pretrained._PRETRAINED, "tiny", tags)
    path = tmp_path / "weights.safetensors"
    save_file(tuned(state), path)
    digests = set()
    for base in ("mine/tiny", "other/tiny"):
        (tmp_path / "weights.toml").write_text(f'base = "{base}"\n')
        digests.add(digest_of(checkpoint(path, "tiny")))
    assert len(digests) == 2
    (tmp_path / "weights.toml").write_text('base = "mine/tiny"\n')
    assert load_open_clip(checkpoint(path, "tiny")).mean == half["mean"]


def test_a_named_activation_wins_over_that_of_the_base_and_the_contradiction_is_told(tmp_path, state, monkeypatch):
    tags = {"mine": pretrained._pcfg(hf_hub="owner/tiny/", quick_gelu=True)}
    monkeypatch.setitem(pretrained._PRETRAINED, "tiny", tags)
    path = tmp_path / "weights.safetensors"
    save_file(tuned(state), path)
    (tmp_path / "weights.toml").write_text('base = "mine/tiny"\nactivation = "gelu"\n')
    with pytest.warns(SccBenchWarning, match="built with GELU as it is named, but its base mine/tiny is not"):
        get_model(checkpoint(path, "tiny")).digest()
    torch.testing.assert_close(embedded_as(checkpoint(path, "tiny")), embedded_by("tiny", tuned(state)))


def test_published_weights_are_held_to_their_record_and_not_to_their_text_tower(state, monkeypatch, empty_hub):
    write_base(monkeypatch, empty_hub, state, quick_gelu=True)
    (path,) = (empty_hub / "models--owner--tiny" / "snapshots").glob("*/*.safetensors")
    assert "trained with QuickGELU, but the configuration builds GELU; name the architecture tiny-quickgelu" in refusal(
        checkpoint(path, "tiny")
    )


def test_published_gelu_weights_are_refused_with_quickgelu(tmp_path, state, monkeypatch):
    path = tmp_path / "weights.safetensors"
    save_file(state, path)
    publish(monkeypatch, path)
    assert "trained with GELU, but the configuration builds QuickGELU; name the architecture tiny" in refusal(
        checkpoint(path, "tiny-quickgelu")
    )


def test_an_architecture_with_one_activation_asks_nothing(tmp_path, state, monkeypatch):
    monkeypatch.setattr("scc_core.models.open_clip.activation.has_sibling", lambda architecture: False)
    save_file(state, tmp_path / "weights.safetensors")
    assert not locate(checkpoint(tmp_path / "weights.safetensors", "tiny")).quick_gelu


def test_a_folder_whose_configuration_is_silent_is_held_to_its_text_tower(tmp_path, state, monkeypatch, empty_hub):
    write_base(monkeypatch, empty_hub, state, quick_gelu=True)
    mean = {"mean": list(pretrained.OPENAI_DATASET_MEAN), "std": list(pretrained.OPENAI_DATASET_STD)}
    name = local_folder(tmp_path / "mine", tuned(state), {"model_cfg": SMALL, "preprocess_cfg": mean})
    text = refusal(name)
    assert "its text tower is that of mine/tiny, which has QuickGELU, but the configuration builds GELU" in text
    config = {"model_cfg": {**SMALL, "quick_gelu": False}, "preprocess_cfg": mean}
    (tmp_path / "mine" / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.warns(SccBenchWarning, match="which has QuickGELU, but the configuration builds GELU"):
        get_model(name).digest()
    config["model_cfg"]["quick_gelu"] = True
    (tmp_path / "mine" / "open_clip_config.json").write_text(json.dumps(config))
    with warnings.catch_warnings():
        warnings.simplefilter("error", SccBenchWarning)
        get_model(name).digest()


def test_a_hub_repository_with_a_silent_configuration_is_warned_of(state, monkeypatch, empty_hub):
    write_base(monkeypatch, empty_hub, state, quick_gelu=True)
    config = json.dumps({"model_cfg": SMALL, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3}}).encode()
    files = {"open_clip_config.json": config, "open_clip_model.safetensors": save(tuned(state))}
    write_cache(empty_hub, {"someone/tuned": files})
    with pytest.warns(SccBenchWarning, match="its text tower is that of mine/tiny, which has QuickGELU"):
        get_model("hf-hub:someone/tuned").digest()


def test_openai_s_own_download_folder_is_looked_at_and_believed_only_by_its_digest(tmp_path, state, monkeypatch):
    folder = tmp_path / "home" / ".cache" / "clip"
    folder.mkdir(parents=True)
    torch.save({name: tensor.half() for name, tensor in state.items()}, folder / "tiny.pt")
    sha256 = hashlib.sha256((folder / "tiny.pt").read_bytes()).hexdigest()
    path = tmp_path / "weights.safetensors"
    save_file(tuned(state), path)
    for stated, told in ((sha256, True), (sha256[::-1], False)):
        url = f"https://openaipublic.azureedge.net/clip/models/{stated}/tiny.pt"
        tags = {"mine": pretrained._pcfg(url=url, hf_hub="owner/tiny/", quick_gelu=True)}
        monkeypatch.setitem(pretrained._PRETRAINED, "tiny", tags)
        if told:
            assert locate(checkpoint(path, "tiny")).quick_gelu
        else:
            assert "no published weights on this machine" in refusal(checkpoint(path, "tiny"))


def test_the_shipped_table_holds_what_its_command_computes_from_the_weights(tmp_path):
    empty = tmp_path / "towers.toml"
    empty.touch()
    names = [tower.name for tower in shipped_text_towers()]
    assert names == ["demo-clip"]
    assert add_text_towers(names, empty) == list(shipped_text_towers())
    # A second time there is nothing to add.
    assert add_text_towers(names, empty) == []


def test_weights_that_were_here_once_are_known_by_the_table(tmp_path, state, monkeypatch, empty_hub):
    table, path = tmp_path / "towers.toml", tmp_path / "weights.safetensors"
    table.touch()
    write_base(monkeypatch, empty_hub, state, quick_gelu=True)
    assert [tower.name for tower in add_text_towers([], table)] == ["mine/tiny"]
    next((empty_hub / "models--owner--tiny" / "snapshots").glob("*/*.safetensors")).unlink()
    save_file(tuned(state), path)
    refusal(checkpoint(path, "tiny"))
    monkeypatch.setattr(text_tower, "TABLE", table)
    shipped_text_towers.cache_clear()
    try:
        assert locate(checkpoint(path, "tiny")).quick_gelu
    finally:
        shipped_text_towers.cache_clear()


def test_the_table_takes_no_second_digest_and_no_weights_that_nobody_published(tmp_path):
    table = tmp_path / "towers.toml"
    table.write_text('[[tower]]\nweights = "demo-clip"\nactivation = "gelu"\ndigest = "00"\n')
    with pytest.raises(UserError, match="has another text tower for demo-clip"):
        add_text_towers(["demo-clip"], table)
    with pytest.raises(UserError, match="names no published weights"):
        add_text_towers([embedded_model_source("demo-clip")], table)


def test_the_digest_of_a_text_tower_forgets_where_the_tower_stands(tmp_path, state):
    custom = {name if name.startswith(("visual.", "logit")) else f"text.{name}": value for name, value in state.items()}
    save_file(state, tmp_path / "clip.safetensors")
    save_file(custom, tmp_path / "custom.safetensors")
    save_file({"visual.proj": state["visual.proj"]}, tmp_path / "image.safetensors")
    first, second, none = (text_digest_of(tmp_path / f"{name}.safetensors") for name in ("clip", "custom", "image"))
    assert first == second
    assert none is None
