"""What the model hub's cache on this machine holds; nothing here touches the network.

Every download lands in this one cache, ``HF_HUB_CACHE`` or ``hub`` in ``HF_HOME``, which open_clip, timm and
transformers share. A file is a link in ``snapshots/COMMIT`` to a blob that is named after its content: SHA-256 for
large files, git's own SHA-1 for small ones.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from scc_core.errors import NotFetchedError
from scc_core.machine.file_digest import sha256_of
from scc_core.models.sources import DEFAULT_REVISION, OpenClipSourceError

CONFIG_NAME = "open_clip_config.json"
TEXT_CONFIG_NAME = "config.json"
WEIGHTS_NAMES = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
)
"""Names of the weights in a repository of open_clip's layout, the preferred one first."""
VOCABULARY_NAMES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
)
TOKENIZER_NAMES = (
    *VOCABULARY_NAMES,
    "merges.txt",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    TEXT_CONFIG_NAME,
)
"""What a tokenizer of transformers may consist of; a repository has some of them."""

_CACHED_REPOSITORY = re.compile(r"models--(?P<owner>.+?)--(?P<name>.+)")


def hub_cache() -> Path:
    """Return the folder of the hub's cache; it need not exist."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def is_offline() -> bool:
    """Tell whether the user has forbidden the network (``HF_HUB_OFFLINE`` or ``TRANSFORMERS_OFFLINE``)."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def find_file(repository: str, name: str, revision: str = DEFAULT_REVISION) -> Path | None:
    """Return a file of a repository as the cache holds it; None if it does not."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repository, name, cache_dir=hub_cache(), revision=revision)
    return Path(found) if isinstance(found, str) else None


def weights_alternatives(name: str | None) -> tuple[str, ...]:
    """Return the names under which a repository may hold its weights; ``name`` is the one that open_clip was told."""
    if name is None:
        return WEIGHTS_NAMES
    return (f"{Path(name).with_suffix('')}.safetensors", name)


def cached_weights(repository: str, name: str | None, revision: str, model: str) -> Path:
    """Return the cached weights of a repository.

    Raises:
        NotFetchedError: the cache has none; the text names the command that fetches ``model``.
    """
    for alternative in weights_alternatives(name):
        found = find_file(repository, alternative, revision)
        if found is not None:
            return found
    raise not_fetched(model, f"the weights file of {repository}")


def has_weights(repository: str) -> bool:
    """Tell whether the cache holds the weights of a repository in open_clip's layout."""
    return any(find_file(repository, name) is not None for name in WEIGHTS_NAMES)


def cached_file(repository: str, name: str, revision: str, model: str) -> Path:
    """Return a cached file.

    Raises:
        NotFetchedError: the cache does not have it; the text names the command that fetches ``model``.
    """
    found = find_file(repository, name, revision)
    if found is None:
        raise not_fetched(model, f"{name} of {repository}")
    return found


def cached_tokenizer(repository: str, model: str) -> Path:
    """Return the snapshot folder of a repository that holds a tokenizer.

    Raises:
        NotFetchedError: the cache has no vocabulary of it; the text names the command that fetches ``model``.
    """
    for name in VOCABULARY_NAMES:
        found = find_file(repository, name)
        if found is not None:
            return found.parent
    raise not_fetched(model, f"the tokenizer of {repository}")


def not_fetched(model: str, what: str) -> NotFetchedError:
    """Build the error for something of a model that this machine does not have."""
    return NotFetchedError(
        f"model {model!r} is not on this machine: {what} is missing in the hub cache {hub_cache()}; where there is a "
        f"network, `sccbench fetch models {model}` downloads it"
    )


def repository_of(path: Path) -> str | None:
    """Return ``OWNER/NAME`` of the repository that a path inside a hub cache belongs to; None outside of one."""
    for part in path.absolute().parts:
        match = _CACHED_REPOSITORY.fullmatch(part)
        if match:
            return f"{match['owner']}/{match['name']}"
    return None


def check_blob(path: Path) -> None:
    """Compare a cached file with the digest that its blob is named after.

    Raises:
        OpenClipSourceError: the file is damaged; it is removed, so that it can be fetched again.
    """
    blob = path.resolve()
    name, actual = blob.name, ""
    if re.fullmatch(r"[0-9a-f]{64}", name):
        actual = sha256_of(blob)
    elif re.fullmatch(r"[0-9a-f]{40}", name):
        content = blob.read_bytes()
        actual = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    if actual not in ("", name):
        blob.unlink()
        raise OpenClipSourceError(
            f"{path.name} in the hub cache is damaged: its digest is {actual[:12]}, not {name[:12]}; it was removed, "
            "fetch it again"
        )
