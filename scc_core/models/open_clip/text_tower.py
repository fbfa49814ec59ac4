"""The text tower of a file of weights, and the published weights that have the same one.

Fine-tuning an image tower leaves the text tower as it was published. So the text tower tells which weights an unknown
file was tuned from, and with them the activation that it needs. Towers are compared by a digest of their tensors in
half precision, because OpenAI's weights are published in it and tuned ones are saved in float32.
"""

from __future__ import annotations

import hashlib
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from scc_core.machine.file_digest import sha256_of
from scc_core.machine.folders import cache_folder
from scc_core.models.hub.cache import find_file, weights_alternatives
from scc_core.models.open_clip.tables import PublishedWeights, published_weights
from scc_core.models.open_clip.weights_file import IMAGE_TOWER, read_state
from scc_core.models.sources import OpenClipSourceError

TABLE = Path(__file__).parent / "text_towers.toml"
"""The digests that ship with the package."""
_TEXT_TOWER = "text."
_OF_BOTH_TOWERS = ("logit_scale", "logit_bias")
_TEXT_SHAPE = {"context_length": 77, "vocab_size": 49408, "width": 512, "heads": 8, "layers": 12}
# Where OpenAI's own package, and open_clip without a hub, keep what they download.
_OPENAI_FOLDER = Path("~/.cache/clip")


class TextTower(NamedTuple):
    """The text tower of published weights.

    Attributes:
        name: of the weights, as grids write it.
        quick_gelu: whether they need QuickGELU.
        digest: of its tensors.
    """

    name: str
    quick_gelu: bool
    digest: str


def published_text_tower(path: Path, config: Mapping[str, Any]) -> TextTower | None:
    """Return the published text tower that a file of weights holds; None if it holds another or none that is known.

    Known are those of the shipped table, and those of published weights on this machine.

    Args:
        path: the file.
        config: open_clip's ``model_cfg`` of the model.
    """
    if _text_shape(config) is None:
        return None
    digest = text_digest_of(path)
    return next((tower for tower in _known_towers(config) if tower.digest == digest), None) if digest else None


def text_digest_of(path: Path) -> str | None:
    """Return the digest of a file's text tower, 64 hexadecimal digits; None if it has none.

    It is kept in the cache folder by the digest of the file.
    """
    entry = cache_folder() / "text_towers" / sha256_of(path)
    with suppress(OSError):
        return entry.read_text(encoding="utf-8") or None
    digest = _digest(read_state(path))
    # A cache that cannot be written costs time and nothing else.
    with suppress(OSError):
        entry.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=entry.parent, delete=False, encoding="utf-8") as stream:
            stream.write(digest or "")
        Path(stream.name).replace(entry)
    return digest


def _digest(state: Mapping[str, Tensor]) -> str | None:
    text = {
        name.removeprefix(_TEXT_TOWER): tensor
        for name, tensor in state.items()
        if not name.startswith(IMAGE_TOWER) and name not in _OF_BOTH_TOWERS
    }
    if not text:
        return None
    hashed = hashlib.sha256()
    for name, tensor in sorted(text.items()):
        halves = tensor.to(torch.float16).contiguous()
        hashed.update(f"{name}:{list(halves.shape)}\n".encode())
        hashed.update(halves.numpy().data)
    return hashed.hexdigest()


def text_towers_here(config: Mapping[str, Any] | None = None) -> Iterator[TextTower]:
    """Yield the text towers of published weights on this machine, or of those whose text tower is shaped as a config's.

    Weights that cannot be read are passed over.
    """
    seen: set[Path] = set()
    for published in published_weights():
        shape = _text_shape(published.config)
        if shape is None or (config is not None and shape != _text_shape(config)):
            continue
        path = _weights_here(published)
        # Several tags may share a file.
        if path is None or path.resolve() in seen:
            continue
        seen.add(path.resolve())
        with suppress(OpenClipSourceError, OSError):
            digest = text_digest_of(path)
            if digest is not None:
                yield TextTower(published.name, published.quick_gelu, digest)


@cache
def shipped_text_towers() -> tuple[TextTower, ...]:
    """Return the text towers of the shipped table."""
    rows = tomllib.loads(TABLE.read_text(encoding="utf-8")).get("tower", [])
    return tuple(TextTower(row["weights"], row["activation"] == "quickgelu", row["digest"]) for row in rows)


def _known_towers(config: Mapping[str, Any]) -> Iterator[TextTower]:
    yield from shipped_text_towers()
    yield from text_towers_here(config)


def _weights_here(published: PublishedWeights) -> Path | None:
    for name in weights_alternatives(published.file_name):
        found = find_file(published.repository, name) if published.repository else None
        if found is not None:
            return found
    path = (_OPENAI_FOLDER / published.download_name).expanduser()
    if published.sha256 and path.is_file() and sha256_of(path).startswith(published.sha256):
        return path
    return None


def _text_shape(config: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """Return the shape of open_clip's own text transformer; None if the text tower is one of transformers."""
    text = config["text_cfg"]
    if text.get("hf_model_name"):
        return None
    return (config.get("embed_dim"), *(text.get(key, usual) for key, usual in _TEXT_SHAPE.items()))
