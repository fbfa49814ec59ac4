"""Images in one folder per class, where nothing but the folder itself says which classes there are."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from scc_core.datasets.base import LeftOut
from scc_core.datasets.files.decoding import is_image_name
from scc_core.datasets.files.samples import bytewise
from scc_core.datasets.own.split_names import SPLIT_NAMES, is_split_name
from scc_core.datasets.own.system_files import describe_system_files, is_passed_over
from scc_core.errors import UserError, listed

_NO_IMAGE = "not an image by the ending of its name"


class Scan(NamedTuple):
    """What lies in a folder.

    Attributes:
        classes: the class folders, sorted.
        images: ``(path below the folder, class folder)`` of every image, sorted.
        left_out: every other file, with the reason.
        doubts: what about the folders a reader should look at, as lines.
    """

    classes: tuple[str, ...]
    images: tuple[tuple[str, str], ...]
    left_out: tuple[LeftOut, ...]
    doubts: tuple[str, ...]


def scan_class_folders(root: Path, name: str, texts: Collection[Path]) -> Scan:
    """Look through ``root``: every folder in it is a class, every image below such a folder is a sample of it.

    Files and folders whose name begins with a dot are passed over, as file managers do, and so are a system's own.

    Args:
        root: the folder of the class folders.
        name: what errors call the dataset.
        texts: the files of class names and templates, which are expected there.

    Raises:
        UserError: no class folders, or folders that are splits rather than classes.
    """
    inside = bytewise(entry.name for entry in root.iterdir())
    entries = [entry for entry in inside if not is_passed_over(entry)]
    passed_over = [entry for entry in inside if is_passed_over(entry)]
    classes = tuple(entry for entry in entries if (root / entry).is_dir())
    _check(root, name, classes, entries)
    left_out = [
        LeftOut(entry, "lies in no class folder" if is_image_name(entry) else _NO_IMAGE)
        for entry in entries
        if entry not in classes and root / entry not in texts
    ]
    images: list[tuple[str, str]] = []
    for folder in classes:
        for path in _files_below(root / folder, passed_over):
            below = path.relative_to(root).as_posix()
            if is_image_name(path):
                images.append((below, folder))
            else:
                left_out.append(LeftOut(below, _NO_IMAGE))
    doubts = (*describe_system_files(passed_over), *_doubts(classes, images))
    return Scan(classes, tuple(images), tuple(left_out), doubts)


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


def _doubts(classes: Sequence[str], images: Sequence[tuple[str, str]]) -> Iterator[str]:
    splits = [folder for folder in classes if is_split_name(folder)]
    if splits:
        yield f"class folders {listed(splits)} have the names of splits; if they are, add ?split={splits[0]}"
    below: dict[str, set[str]] = {folder: set() for folder in classes}
    for path, folder in images:
        rest = path.removeprefix(f"{folder}/")
        below[folder].add(rest.partition("/")[0] if "/" in rest else "")
    first, *others = below.values()
    if "" not in first and len(first) > 1 and others and all(other == first for other in others):
        yield f"each class folder holds the folders {listed(sorted(first))}: are these the classes, or splits?"


def _files_below(folder: Path, passed_over: list[str]) -> Iterator[Path]:
    """Yield every file below ``folder`` once, links followed, in the order of the bytes of the paths.

    The names of files and folders that are passed over are appended to ``passed_over``.
    """
    seen: set[str] = set()
    found: list[str] = []
    for parent, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        passed_over += filter(is_passed_over, (*folders, *files))
        folders[:] = [entry for entry in folders if not is_passed_over(entry)]
        found += [f"{parent}/{file}" for file in files if not is_passed_over(file)]
    yield from map(Path, bytewise(found))
