"""What the tests of models share: small architectures, a module of one, and an empty hub cache without a network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import open_clip
import pytest
import torch
from open_clip.factory import _MODEL_CONFIG_PATHS, _rescan_model_configs

from tests.scc_core.models.small_clip import ARCHITECTURES


@pytest.fixture(scope="module")
def small_architectures(tmp_path_factory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("architectures")
    for name, config in ARCHITECTURES.items():
        (folder / f"{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)
    yield
    _MODEL_CONFIG_PATHS.remove(folder)
    for name in ARCHITECTURES:
        open_clip.factory._MODEL_CONFIGS.pop(name)
    _rescan_model_configs()


@pytest.fixture(scope="module")
def module(small_architectures) -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return open_clip.create_model("tiny").eval()


@pytest.fixture(scope="module")
def state(module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


@pytest.fixture
def empty_hub(tmp_path, monkeypatch) -> Path:
    """An empty hub cache, an empty home and an empty cache folder, without a network; returns the hub's cache."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("SCCBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "hub"
