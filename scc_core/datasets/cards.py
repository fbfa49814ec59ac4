"""Dataset cards as data files: what a dataset is, its classes and prompts, known before any of its files is there.

``data/cards/NAME.toml`` describes the dataset called ``NAME``; beside it lie plain text lists, one entry per line:
``class_names/NAME.txt`` in label order, ``class_folders/NAME.txt`` the folder of every class where the layout has one,
and ``ensembles/NAME.txt`` the prompt templates of ``NAME@ensemble``. A line that starts with ``#`` is a comment and
says where the list comes from.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from scc_core.datasets.base import DatasetCard

DATA_FOLDER = Path(__file__).parent / "data"
ENSEMBLE = "ensemble"
"""``NAME@ensemble`` is dataset ``NAME`` with its ensemble of prompt templates."""

_CARD_KEYS = frozenset(field.name for field in fields(DatasetCard)) - {"name", "demonstration", "classes"}
_OTHER_KEYS = frozenset(
    {"folder", "reader", "options", "templates", "class_names", "class_folders", "ensemble", "download"}
)


@dataclass(frozen=True)
class Description:
    """A dataset as its data files describe it.

    Attributes:
        card: for the reader; ``images`` and ``classes`` are the published counts.
        class_names: ``K`` names in label order.
        class_folders: the folder of every class in label order; empty where the layout has none.
        templates: the prompt templates in use, each with one ``{}``.
        ensemble: the templates of ``NAME@ensemble``; empty if there is none.
        folder: where the files lie in the data folder.
        reader: module of :mod:`scc_core.datasets.readers` that reads the layout.
        options: what that reader is given beside the folder.
        download: what fetches the files, ``SCHEME:NAME``; empty where no program may.
        digest: SHA-256 of the data files behind this description.
    """

    card: DatasetCard
    class_names: tuple[str, ...]
    class_folders: tuple[str, ...]
    templates: tuple[str, ...]
    ensemble: tuple[str, ...]
    folder: str
    reader: str
    options: Mapping[str, Any]
    download: str
    digest: str

    def with_ensemble(self) -> Description:
        """Return the same dataset under the name ``NAME@ensemble`` with the templates of the ensemble."""
        return replace(
            self, card=replace(self.card, name=f"{self.card.name}@{ENSEMBLE}"), templates=self.ensemble, ensemble=()
        )


def carded_names() -> tuple[str, ...]:
    """Return the names of all datasets that have a card, sorted; no card is read for it."""
    return tuple(sorted(path.stem for path in (DATA_FOLDER / "cards").glob("*.toml")))


@cache
def describe_card(name: str) -> Description:
    """Read and check the data files of the dataset called ``name``.

    Raises:
        ValueError: a data file of this package is not well formed; the text names it.
    """
    return read_description(DATA_FOLDER, name)


def read_description(folder: Path, name: str) -> Description:
    """Read the description of ``name`` from the data files in ``folder``; see :func:`describe_card`."""
    path = folder / "cards" / f"{name}.toml"
    values = tomllib.loads(path.read_text(encoding="utf-8"))
    unknown = set(values) - _CARD_KEYS - _OTHER_KEYS
    if unknown:
        raise ValueError(f"{path}: unknown keys {sorted(unknown)}")
    lists = {
        kind: folder / kind_folder / f"{values.get(kind, name)}.txt"
        for kind, kind_folder in (
            ("class_names", "class_names"),
            ("class_folders", "class_folders"),
            ("ensemble", "ensembles"),
        )
    }
    class_names = read_lines(lists["class_names"])
    description = Description(
        card=_card(name, values, len(class_names)),
        class_names=class_names,
        class_folders=_optional_lines(lists["class_folders"]),
        templates=tuple(values["templates"]),
        ensemble=_optional_lines(lists["ensemble"]),
        folder=values["folder"],
        reader=values["reader"],
        options=values.get("options", {}),
        download=values.get("download", ""),
        digest=_digest([path, *lists.values()]),
    )
    _check(path, description)
    return description


def read_lines(path: Path) -> tuple[str, ...]:
    """Return the lines of a list file without comments and empty lines."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))


def _optional_lines(path: Path) -> tuple[str, ...]:
    return read_lines(path) if path.exists() else ()


def _card(name: str, values: Mapping[str, Any], classes: int) -> DatasetCard:
    written: dict[str, Any] = {key: values[key] for key in _CARD_KEYS & set(values)}
    for key in ("obtain", "notes"):
        written[key] = tuple(written.get(key, ()))
    return DatasetCard(name=name, classes=classes, **written)


def _check(path: Path, description: Description) -> None:
    faults = [
        f"template {template!r} needs exactly one {{}}"
        for template in (*description.templates, *description.ensemble)
        if template.count("{}") != 1
    ]
    if description.class_folders and len(description.class_folders) != len(description.class_names):
        faults.append(f"{len(description.class_folders)} class folders for {len(description.class_names)} class names")
    if not description.download and not description.card.obtain:
        faults.append("neither `download` nor `obtain` says how to get the files")
    if faults:
        raise ValueError(f"{path}: {'; '.join(faults)}")


def _digest(paths: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        if path.exists():
            digest.update(path.read_bytes())
        digest.update(b"\0")
    return digest.hexdigest()
