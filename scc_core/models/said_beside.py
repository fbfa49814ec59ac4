"""What a user says of weights of their own, in a small TOML file beside them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scc_core.components.choices import FAMILIES
from scc_core.errors import UserError, unknown_name
from scc_core.models.sources import ACTIVATIONS, CHECKPOINT_SUFFIXES, Activation

_EXAMPLES = {
    "family": f'family = "{FAMILIES[1]}"',
    "activation": 'activation = "quickgelu"',
    "base": 'base = "openai/ViT-B-32"',
}
_FOLDER_KEYS = ("family",)
_CHECKPOINT_KEYS = ("family", "activation", "base")


@dataclass(frozen=True)
class SaidBeside:
    """What is said; None where nothing is.

    Attributes:
        family: see :data:`~scc_core.components.choices.FAMILIES`; it changes no result.
        activation: of open_clip's own transformers.
        base: the model that the weights were tuned from, as grids name it.
        path: the file that says it, or would.
    """

    path: Path
    family: str | None = None
    activation: Activation | None = None
    base: str | None = None


def said_beside_folder(folder: Path) -> SaidBeside:
    """Return what ``card.toml`` in a model's folder says: its family.

    Raises:
        UserError: the file holds anything else, or what it says does not exist.
    """
    return _read(folder / "card.toml", _FOLDER_KEYS)


def said_beside_checkpoint(path: Path) -> SaidBeside:
    """Return what ``weights.toml`` says of ``weights.pt`` or ``weights.pth.tar``: its family, activation and base.

    Raises:
        UserError: see :func:`said_beside_folder`.
    """
    stem = Path(path.name.removesuffix(".tar"))
    name = stem.stem if stem.suffix in CHECKPOINT_SUFFIXES else stem.name
    return _read(path.with_name(f"{name}.toml"), _CHECKPOINT_KEYS)


def _read(path: Path, keys: tuple[str, ...]) -> SaidBeside:
    if not path.is_file():
        return SaidBeside(path)
    try:
        said: Mapping[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no TOML file: {error}") from None
    if not said or set(said) - set(keys):
        lines = "the one line: " if len(keys) == 1 else "one or more of the lines: "
        expected = lines + ", ".join(_EXAMPLES[key] for key in keys)
        raise UserError(f"{path} holds {', '.join(said) or 'nothing'}, expected {expected}")
    for key, existing in (("family", FAMILIES), ("activation", ACTIVATIONS)):
        if key in said and said[key] not in existing:
            raise unknown_name(f"{key} in {path}:", said[key], existing)
    if not isinstance(said.get("base", ""), str):
        raise UserError(f"{path}: base = {said['base']!r} is no name of a model, such as openai/ViT-B-32")
    return SaidBeside(path, **said)
