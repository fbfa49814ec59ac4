"""Where downloads and what is made from them lie on this machine: two folders, each set by one variable."""

from __future__ import annotations

import os
from pathlib import Path

CACHE_VARIABLE = "SCCBENCH_CACHE"
DATA_VARIABLE = "SCCBENCH_DATA"


def cache_folder() -> Path:
    """Return the folder of what can be made again (prepared images, digests); it need not exist.

    ``SCCBENCH_CACHE``, else ``sccbench`` in ``XDG_CACHE_HOME`` or ``~/.cache``.
    """
    given = os.environ.get(CACHE_VARIABLE)
    if given:
        return Path(given).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().absolute() / "sccbench"


def data_folder() -> Path:
    """Return the folder of the datasets, downloaded or put there by hand; it need not exist.

    ``SCCBENCH_DATA``, else ``datasets`` in :func:`cache_folder`.
    """
    given = os.environ.get(DATA_VARIABLE)
    return Path(given).expanduser().absolute() if given else cache_folder() / "datasets"
