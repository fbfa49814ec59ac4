"""Small architectures that open_clip knows by name, with a QuickGELU twin each, and files of weights for them."""

from __future__ import annotations

import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

import pytest
from open_clip import pretrained
from safetensors.torch import save_file
from torch import Tensor

from scc_core.errors import SccBenchWarning
from scc_core.models import get_model
from scc_core.models.sources import OpenClipSourceError

_TEXT = {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
SMALL: dict[str, Any] = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": _TEXT,
}
RESNET: dict[str, Any] = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None},
    "text_cfg": _TEXT,
}
ARCHITECTURES = {
    "tiny": SMALL,
    "tiny-quickgelu": {**SMALL, "quick_gelu": True},
    "tiny-resnet": RESNET,
    "tiny-resnet-quickgelu": {**RESNET, "quick_gelu": True},
}


def checkpoint(path: Path, architecture: str = "tiny-gelu") -> str:
    return f"checkpoint:{architecture}:{path}"


def local_folder(folder: Path, state: dict[str, Tensor], config: dict[str, Any]) -> str:
    folder.mkdir()
    save_file(state, folder / "open_clip_model.safetensors")
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    return f"local-dir:{folder}"


def publish(monkeypatch: Any, path: Path, **settings: Any) -> None:
    """Let open_clip know the file as published weights, by the digest in its address, as it does for its own."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    url = f"https://github.com/mlfoundations/open_clip/releases/download/v0/tiny-{digest}.pt"
    tags = {"mine": pretrained._pcfg(url=url, hf_hub="owner/tiny/", **settings)}
    monkeypatch.setitem(pretrained._PRETRAINED, "tiny", tags)


def digest_of(name: str) -> str:
    """Return a model's digest, whatever it warns of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SccBenchWarning)
        return get_model(name).digest()


def refusal(name: str) -> str:
    """Return the one line with which a model is refused before a run."""
    with pytest.raises(OpenClipSourceError) as raised:
        digest_of(name)
    assert "\n" not in str(raised.value)
    return str(raised.value)
