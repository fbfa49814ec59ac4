"""Stamps: what tells without reading a file that it is still the one that was read before."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def stamp(path: str | Path) -> str:
    """Return size in bytes, time of modification and time of the last change in nanoseconds.

    A program may set the time of modification, as copying does; the other one is the system's own.

    Raises:
        OSError: there is no such file.
    """
    status = os.stat(path)  # noqa: PTH116 -- a Path for each of many files is slow
    return f"{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}"


class WatchedFiles:
    """Files and folders that were read once, with the stamps that they had then; some may not exist.

    Args:
        paths: to be watched from now on.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._stamps = {path: _stamp_if_any(path) for path in paths}

    def changed(self) -> Path | None:
        """Return the first that is no longer what it was: changed, gone or come; None if there is none."""
        return next((path for path, before in self._stamps.items() if _stamp_if_any(path) != before), None)


def _stamp_if_any(path: Path) -> str:
    with suppress(OSError):
        return stamp(path)
    return ""
