"""Class folders and a split file, as CoOp and BiomedCoOp have them.

Images lie in ``NAME/NAME/CLASS``, the split file is ``NAME/split_NAME.json``. It holds lists ``train``, ``val`` and
``test`` of ``[path, label, class name]``. Its integers follow no one rule: a class is found by its name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scc_core.datasets.cards import Description
from scc_core.datasets.files.samples import FileSamples, Sample
from scc_core.errors import UserError, unknown_name

_LEADS_OUTSIDE = re.compile(r"^[/\\]|(^|[/\\])\.\.([/\\]|$)")
"""Matches a path that begins at the root, or that goes up by a folder."""


def read(folder: Path, description: Description) -> FileSamples:
    """Read the samples of the split that the card names, in the order of the split file.

    The folder may lie one level deeper, as some of the archives unpack it.

    Raises:
        FileNotFoundError: there is no split file, or the first image is missing.
    """
    name = folder.name
    places = [place / f"split_{name}.json" for place in (folder, folder / name)]
    split_file = next((place for place in places if place.exists()), None)
    if split_file is None:
        raise FileNotFoundError(2, "no split file", str(places[0]))
    samples = list(_samples(split_file, description))
    # The paths begin at the folder of the dataset's name, or at the split file's own.
    first = samples[0].path
    for root in (split_file.parent / name, split_file.parent):
        if (root / first).exists():
            return FileSamples(root, samples, [split_file])
    raise FileNotFoundError(2, "no image", str(split_file.parent / name / first))


def _samples(split_file: Path, description: Description) -> Iterator[Sample]:
    names = description.class_folders or description.class_names
    label_of = {_plain(name): label for label, name in enumerate(names)}
    for number, entry in enumerate(_entries(split_file, description.card.split), start=1):
        match entry:
            case [str(path), int(), str(class_name)] if path and not _LEADS_OUTSIDE.search(path):
                if _plain(class_name) not in label_of:
                    raise UserError(f"{split_file}, entry {number}: {unknown_name('class', class_name, names)}")
                yield Sample(path.replace("\\", "/"), label_of[_plain(class_name)])
            case _:
                raise UserError(f"{split_file}, entry {number}: expected [path, label, class name], got {entry!r}")


def _entries(split_file: Path, split: str) -> Sequence[Any]:
    try:
        document = json.loads(split_file.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise UserError(f"{split_file} is no JSON: {error}") from None
    entries = document.get(split) if isinstance(document, Mapping) else None
    if not isinstance(entries, list) or not entries:
        found = ", ".join(document) if isinstance(document, Mapping) else type(document).__name__
        raise UserError(f"{split_file} has no list {split!r} with entries; it has {found or 'nothing'}")
    return entries


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").lower().split())
