"""What the disk cache holds, for people, and how it is emptied."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from scc_core.datasets.pixels.disk_cache.budget import cache_files, locked_ledger, remove, remove_abandoned
from scc_core.datasets.pixels.disk_cache.chunk import SUFFIX


class CachedPreparation(NamedTuple):
    """The files of one dataset in one preprocessing.

    Attributes:
        name: of its folder.
        chunks: finished files.
        num_bytes: of all its files.
        used_ns: when one was used last, in nanoseconds since 1970.
    """

    name: str
    chunks: int
    num_bytes: int
    used_ns: int


def preparations(folder: Path) -> list[CachedPreparation]:
    """Return what a disk cache holds, the least recently used first; nothing if there is no such folder."""
    files = sorted(cache_files(folder))
    found = []
    for name, group in groupby(files, key=lambda file: file.path.parent.name):
        own = list(group)
        chunks = sum(file.path.suffix == SUFFIX for file in own)
        num_bytes = sum(file.num_bytes for file in own)
        found.append(CachedPreparation(name, chunks, num_bytes, max(file.used_ns for file in own)))
    return sorted(found, key=lambda preparation: preparation.used_ns)


def clear(folder: Path) -> int:
    """Remove every finished chunk and return the bytes freed; running workers make what they need again.

    Raises:
        OSError: a file cannot be removed.
    """
    if not folder.is_dir():
        return 0
    with locked_ledger(folder) as ledger:
        remove_abandoned(folder)
        finished = [file for file in cache_files(folder) if file.path.suffix == SUFFIX]
        for file in finished:
            remove(file.path)
        ledger.write(sum(file.num_bytes for file in cache_files(folder)))
    return sum(file.num_bytes for file in finished)
