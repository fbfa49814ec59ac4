"""Dataset cards as data files: they tell what a dataset is, its classes and its prompts, without any of its files.

``data/cards/NAME.toml`` describes the dataset called ``NAME``; beside it lie plain text lists, one entry per line:
``class_names/NAME.txt`` in label order, ``class_folders/NAME.txt`` what the dataset's own files call every class where
they do not number it, and ``ensembles/NAME.txt`` the prompt templates of ``NAME@ensemble``, whose class names are in
``class_names/NAME@ensemble.txt`` where they differ. A line that starts with ``#`` is a comment and says where the list
comes from. A card may name a list of another dataset (``ensemble = "imagenet"``).
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
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
class Download:
    """A file of a dataset on its owner's server, with the checksum that was published for it.

    Attributes:
        url: where it is.
        into: the folder below the data folder where it belongs; empty is the data folder itself.
        md5: in hexadecimal digits; empty if none was published.
        sha256: in hexadecimal digits; empty if none was published.
        unpack: whether it is an archive, or compressed, and its content is what belongs there.
        inner: the archive inside of the archive that holds the images; empty if there is none.
    """

    url: str
    into: str = ""
    md5: str = ""
    sha256: str = ""
    unpack: bool = True
    inner: str = ""


@dataclass(frozen=True)
class Description:
    """A dataset as its data files describe it.

    Attributes:
        card: for the reader; ``images`` and ``classes`` are the published counts.
        class_names: ``K`` names in label order.
        class_folders: the folder of every class, or what else the dataset's files call it, in label order; empty where
            the layout has numbers.
        templates: the prompt templates in use, each with one ``{}``.
        ensemble: the templates of ``NAME@ensemble``; empty if there is none.
        ensemble_names: the class names of ``NAME@ensemble``.
        folder: where the files lie in the data folder.
        reader: module of :mod:`scc_core.datasets.files.readers` that reads the layout.
        options: what that reader is given beside the folder.
        download: the files that a program fetches; empty where no program may.
        digest: SHA-256 of the data files behind this description.
    """

    card: DatasetCard
    class_names: tuple[str, ...]
    class_folders: tuple[str, ...]
    templates: tuple[str, ...]
    ensemble: tuple[str, ...]
    ensemble_names: tuple[str, ...]
    folder: str
    reader: str
    options: Mapping[str, Any]
    download: tuple[Download, ...]
    digest: str

    def with_ensemble(self) -> Description:
        """Return the same dataset under the name ``NAME@ensemble`` with the ensemble's templates and class names."""
        return replace(
            self,
            card=replace(self.card, name=f"{self.card.name}@{ENSEMBLE}"),
            class_names=self.ensemble_names,
            templates=self.ensemble,
            ensemble=(),
        )


def published_names() -> tuple[str, ...]:
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
    values, card_files = _read_card(folder, name)
    unknown = set(values) - _CARD_KEYS - _OTHER_KEYS
    if unknown:
        raise ValueError(f"{path}: unknown keys {sorted(unknown)}")
    named = values.get("class_names", name)
    names_file = folder / "class_names" / f"{named}.txt"
    folders_file = folder / "class_folders" / f"{values.get('class_folders', name)}.txt"
    ensemble_file = folder / "ensembles" / f"{values.get('ensemble', name)}.txt"
    ensemble_names_file = folder / "class_names" / f"{named}@{ENSEMBLE}.txt"
    class_names = read_lines(names_file)
    about: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    digest = hashlib.sha256()
    for file in (*card_files, names_file, folders_file, ensemble_file, ensemble_names_file):
        digest.update((file.read_bytes() if file.exists() else b"") + b"\0")
    description = Description(
        card=DatasetCard(name=name, classes=len(class_names), **{key: about[key] for key in _CARD_KEYS & set(about)}),
        class_names=class_names,
        class_folders=_optional_lines(folders_file),
        templates=tuple(values["templates"]),
        ensemble=_optional_lines(ensemble_file),
        ensemble_names=_optional_lines(ensemble_names_file) or class_names,
        folder=values["folder"],
        reader=values["reader"],
        options=values.get("options", {}),
        download=tuple(Download(**file) for file in values.get("download", ())),
        digest=digest.hexdigest(),
    )
    _check(path, description)
    return description


def _read_card(folder: Path, name: str) -> tuple[dict[str, Any], list[Path]]:
    """Return the keys of a card and the files that they come from.

    A card may be ``like`` another card. It then has the lists of that card, and those of its keys that it lacks.
    """
    path = folder / "cards" / f"{name}.toml"
    values = tomllib.loads(path.read_text(encoding="utf-8"))
    like = values.pop("like", None)
    if like is None:
        return values, [path]
    others, files = _read_card(folder, like)
    lists = dict.fromkeys(("class_names", "class_folders", "ensemble"), like)
    return {**lists, **others, **values}, [path, *files]


def read_lines(path: Path) -> tuple[str, ...]:
    """Return the lines of a list file without comments and empty lines."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))


def _optional_lines(path: Path) -> tuple[str, ...]:
    return read_lines(path) if path.exists() else ()


def _check(path: Path, description: Description) -> None:
    faults = [
        f"template {template!r} needs exactly one {{}}"
        for template in (*description.templates, *description.ensemble)
        if template.count("{}") != 1
    ]
    for kind in ("class_folders", "ensemble_names"):
        entries = getattr(description, kind)
        if entries and len(entries) != len(description.class_names):
            faults.append(f"{len(entries)} {kind} for {len(description.class_names)} class names")
    if not description.download and not description.card.obtain:
        faults.append("neither `download` nor `obtain` says how to get the files")
    if faults:
        raise ValueError(f"{path}: {'; '.join(faults)}")
