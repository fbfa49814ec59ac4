"""Images in one folder per class, where nothing but the folder itself says which classes there are."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from scc_core.datasets.base import LeftOut
from scc_core.datasets.files.decoding import is_image_name
from scc_core.datasets.files.samples import bytewise
from scc_core.errors import UserError

SPLIT_NAMES = frozenset({"train", "training", "val", "valid", "validation", "test", "testing"})
_NO_IMAGE = "not an image by the ending of its name"
_DESKTOP_FILES = frozenset({"thumbs.db", "desktop.ini"})


class Scan(NamedTuple):
    """What lies in a folder.

    Attributes:
        classes: the class folders, sorted.
        images: ``(path below the folder, class folder)`` of every image, sorted.
        left_out: every other file, with the reason.
    """

    classes: tuple[str, ...]
    images: tuple[tuple[str, str], ...]
    left_out: tuple[LeftOut, ...]


def scan_class_folders(root: Path, name: str, texts: Collection[Path]) -> Scan:
    """Look through ``root``: every folder in it is a class, every image below such a folder is a sample of it.

    Files whose name begins with a dot are passed over, as file managers do.

    Args:
        root: the folder of the class folders.
        name: what errors call the dataset.
        texts: the files of class names and templates, which are expected there.

    Raises:
        UserError: no class folders, or folders that are splits rather than classes.
    """
    entries = bytewise(entry.name for entry in root.iterdir() if not entry.name.startswith("."))
    classes = tuple(entry for entry in entries if (root / entry).is_dir())
    _check(root, name, classes, entries)
    left_out = [
        LeftOut(entry, "lies in no class folder" if is_image_name(entry) else _NO_IMAGE)
        for entry in entries
        if entry not in classes and root / entry not in texts
    ]
    images: list[tuple[str, str]] = []
    for folder in classes:
        for path in _files_below(root / folder):
            below = path.relative_to(root).as_posix()
            if is_image_name(path):
                images.append((below, folder))
            else:
                left_out.append(LeftOut(below, _NO_IMAGE))
    expected = (entry for entry in left_out if entry.name.rpartition("/")[2].lower() not in _DESKTOP_FILES)
    return Scan(classes, tuple(images), tuple(expected))


def _check(root: Path, name: str, classes: Sequence[str], entries: Sequence[str]) -> None:
    if not classes:
        loose = sum(is_image_name(entry) for entry in entries)
        found = f"{loose} images lie directly in it" if loose else "it holds none"
        raise UserError(
            f"{name}: expected class folders, {root}/CLASS/IMAGE, but {found}; a table is named by its .csv"
        )
    if {folder.lower() for folder in classes} <= SPLIT_NAMES:
        raise UserError(
            f"{name}: the folders in {root} are splits, not classes ({', '.join(classes)}); add ?split={classes[0]}"
        )


def _files_below(folder: Path) -> Iterator[Path]:
    """Yield every file below ``folder`` once, links followed, in the order of the bytes of the paths."""
    seen: set[str] = set()
    found: list[str] = []
    for parent, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [entry for entry in folders if not entry.startswith(".")]
        found += [f"{parent}/{file}" for file in files if not file.startswith(".")]
    yield from map(Path, bytewise(found))
