"""The disk cache of this machine: where it lies and how large it may become."""

from __future__ import annotations

import os
import shutil
import warnings
from contextlib import suppress
from pathlib import Path

from scc_core.datasets.pixels.disk_cache.cache import DiskCache
from scc_core.errors import SccBenchWarning
from scc_core.machine import settings
from scc_core.machine.folders import cache_folder

_DISK_SHARE = 10
_GIB = 2**30


def disk_cache_folder() -> Path:
    """Return the folder of the disk cache; it need not exist."""
    return cache_folder() / "prepared"


def disk_cache_limit() -> int:
    """Return how many bytes the disk cache may have: ``SCCBENCH_PREPARED_GIB``, else a tenth of its disk.

    Raises:
        UserError: the variable is not a number of GiB.
    """
    gib = settings.PREPARED_GIB.read()
    if gib is None:
        return shutil.disk_usage(_existing_part(disk_cache_folder())).total // _DISK_SHARE
    return int(gib * _GIB)


def is_writable(folder: Path) -> bool:
    """Tell whether this user may make files in the folder, or may make the folder."""
    existing = _existing_part(folder)
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)


def check_disk_cache() -> None:
    """Warn if the disk cache of this machine cannot be written, so that every worker decodes all images.

    Raises:
        UserError: its bound is not a number.
    """
    folder = disk_cache_folder()
    if disk_cache_limit() and not is_writable(folder):
        warnings.warn(
            f"images are decoded anew by every worker: the disk cache of prepared images, {folder}, cannot be written; "
            f"{settings.CACHE.name} names another place",
            SccBenchWarning,
            stacklevel=2,
        )


def open_disk_cache() -> DiskCache | None:
    """Return the disk cache of this machine; None where its bound is 0.

    Raises:
        UserError: the bound is not a number.
    """
    limit = disk_cache_limit()
    return DiskCache(disk_cache_folder(), limit) if limit else None


def _existing_part(folder: Path) -> Path:
    """Return what exists of the path to a folder."""
    for path in (folder, *folder.parents):
        # A parent that may not be entered is no answer, and no reason to fail.
        with suppress(OSError):
            if path.exists():
                return path
    return Path(folder.anchor)
