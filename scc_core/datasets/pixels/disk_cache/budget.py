"""The bound of the disk cache: room is reserved before a chunk is written, and the least recently used files go."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from scc_core.datasets.pixels.disk_cache.chunk import SUFFIX
from scc_core.machine.file_lock import acquire_existing, file_lock, has_name, release

PART_SUFFIX = ".part"
"""Ends the name of a file that is being written."""
_LEDGER = "bytes-used"
_DIGITS = 20
_SLACK = 10
"""A sweep frees a tenth of the bound more than it must, so that sweeps are rare."""
_SPARE_BYTES = 2**30
_SPARE_SHARE = 20
"""A gibibyte of the disk, or a twentieth of a small one, is left to others; the results database may be on it."""


class CacheFile(NamedTuple):
    """A file of the disk cache, finished or not."""

    path: Path
    num_bytes: int
    used_ns: int


class Budget:
    """Keeps the files of a folder, of all processes together, within a bound.

    A ledger in the folder, which one process at a time holds, has the sum of the files' sizes. A process counts the
    files once, and again when the sum exceeds the bound. After a process was killed the sum may be too large; the next
    count corrects it.

    Args:
        folder: of the disk cache.
        max_bytes: its bound.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self._counted = False

    def reserve(self, file: int, num_bytes: int) -> None:
        """Give an empty, open file of the cache its final size; remove the least recently used files for it.

        Raises:
            OSError: with ENOSPC, if neither the bound nor the disk has room for it.
        """
        if num_bytes > self.max_bytes:
            raise OSError(errno.ENOSPC, f"one file of {num_bytes} bytes exceeds its bound of {self.max_bytes} bytes")
        with locked_ledger(self.folder) as ledger:
            used = ledger.read() if self._counted else None
            if used is None or self._excess(used, num_bytes) > 0:
                used = self._sweep(num_bytes)
            if self._excess(used, num_bytes) > 0:
                raise OSError(
                    errno.ENOSPC, f"no room for {num_bytes} bytes on the disk or within {self.max_bytes} bytes"
                )
            # While the ledger is held, so that a process that counts finds the file and the sum in agreement.
            os.ftruncate(file, num_bytes)
            ledger.write(used + num_bytes)
            self._counted = True

    def _excess(self, used: int, incoming: int) -> int:
        """Return how many bytes must go before ``incoming`` may come."""
        disk = shutil.disk_usage(self.folder)
        spare = min(_SPARE_BYTES, disk.total // _SPARE_SHARE)
        return max(used + incoming - self.max_bytes, spare + incoming - disk.free)

    def _sweep(self, incoming: int) -> int:
        """Remove what killed processes left and, if room is short, the least recently used; return the bytes used."""
        remove_abandoned(self.folder)
        files = sorted(cache_files(self.folder), key=lambda file: file.used_ns)
        used = sum(file.num_bytes for file in files)
        excess = self._excess(used, incoming)
        goal = used - excess - self.max_bytes // _SLACK if excess > 0 else used
        for file in files:
            if used <= goal:
                break
            if file.path.suffix == SUFFIX:
                remove(file.path)
                used -= file.num_bytes
        return used


class Ledger:
    """The sum of the sizes of the cache's files, in a file that this process holds."""

    def __init__(self, file: int) -> None:
        self._file = file

    def read(self) -> int | None:
        """Return the sum; None if there is none."""
        text = os.pread(self._file, _DIGITS + 1, 0)
        return int(text) if len(text) == _DIGITS and text.isdigit() else None

    def write(self, used: int) -> None:
        """Replace the sum."""
        # Always the same length, in one call: a process killed here leaves the old sum or the new one.
        os.pwrite(self._file, f"{used:0{_DIGITS}}".encode(), 0)


@contextmanager
def locked_ledger(folder: Path) -> Iterator[Ledger]:
    """Hold the ledger of a disk cache; while it is held, no file of the cache grows or is removed."""
    with file_lock(folder / _LEDGER, mode=0o644) as file:
        yield Ledger(file)


def cache_files(folder: Path) -> list[CacheFile]:
    """Return the files of a disk cache, those being written included; other processes may remove some at any time."""
    found = []
    for path in (path for preparation in _children(folder) for path in _children(preparation)):
        if path.suffix in (SUFFIX, PART_SUFFIX):
            with suppress(FileNotFoundError):
                status = path.stat()
                found.append(CacheFile(path, status.st_size, status.st_mtime_ns))
    return found


def remove(path: Path) -> None:
    """Remove a finished file, and its folder if nothing else is in it; processes that map the file keep its pixels."""
    path.unlink(missing_ok=True)
    try:
        path.parent.rmdir()
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
            raise


def remove_abandoned(folder: Path) -> None:
    """Remove the unfinished files that no process holds, since the one that began them was killed."""
    for path in (file.path for file in cache_files(folder)):
        file = acquire_existing(path) if path.suffix == PART_SUFFIX else None
        if file is None:
            continue
        try:
            if has_name(file, path):
                path.unlink()
        finally:
            release(file)


def _children(folder: Path) -> list[Path]:
    """Return the entries of a folder; none if it is no folder, or was removed."""
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
