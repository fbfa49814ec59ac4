"""Where the store lies and how large it may become, as this machine's environment says."""

from __future__ import annotations

import math
import os
import shutil
import warnings
from contextlib import suppress
from pathlib import Path

from scc_core.datasets.pixels.disk_cache.store import ImageStore
from scc_core.errors import SccBenchWarning, UserError
from scc_core.machine.folders import CACHE_VARIABLE, cache_folder

LIMIT_VARIABLE = "SCCBENCH_PREPARED_GIB"
_DISK_SHARE = 10
_GIB = 2**30


def store_folder() -> Path:
    """Return the folder of the store; it need not exist."""
    return cache_folder() / "prepared"


def store_limit() -> int:
    """Return how many bytes the store may have: ``SCCBENCH_PREPARED_GIB``, else a tenth of its disk.

    Raises:
        UserError: the variable is not a number of GiB.
    """
    given = os.environ.get(LIMIT_VARIABLE)
    if not given:
        return shutil.disk_usage(_nearest(store_folder())).total // _DISK_SHARE
    try:
        gib = float(given)
    except ValueError:
        gib = math.nan
    if not 0 <= gib < math.inf:
        raise UserError(f"{LIMIT_VARIABLE} is {given!r}; give a number of GiB such as 20 or 0.5, or 0 for no store")
    return int(gib * _GIB)


def is_writable(folder: Path) -> bool:
    """Whether this user may make files in the folder, or may make the folder."""
    nearest = _nearest(folder)
    return nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)


def check_store() -> None:
    """Warn if the store of this machine can take no images, so that every worker will decode them anew.

    Raises:
        UserError: its bound is not a number.
    """
    folder = store_folder()
    if store_limit() and not is_writable(folder):
        warnings.warn(
            f"images are decoded anew by every worker: the store of prepared images, {folder}, cannot be written; "
            f"{CACHE_VARIABLE} names another place",
            SccBenchWarning,
            stacklevel=2,
        )


def open_store() -> ImageStore | None:
    """Return this machine's store; None where its bound is 0.

    Raises:
        UserError: the bound is not a number.
    """
    limit = store_limit()
    return ImageStore(store_folder(), limit) if limit else None


def _nearest(folder: Path) -> Path:
    """Return what exists of the path to a folder."""
    for path in (folder, *folder.parents):
        # A parent that may not be entered is no answer, and no reason to fail.
        with suppress(OSError):
            if path.exists():
                return path
    return Path(folder.anchor)
