"""Where downloads and what is made from them lie on this machine: two folders, each set by one variable."""

from __future__ import annotations

import os
import tempfile
import warnings
from pathlib import Path

from scc_core.errors import SccBenchWarning

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


def keep(path: Path, text: str) -> None:
    """Write a file of :func:`cache_folder` whole or not at all; where that fails it costs only making it again."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
            file.write(text)
        Path(file.name).replace(path)
    except OSError as error:
        warnings.warn(
            f"what took time to find out cannot be kept in {path.parent}: {error}", SccBenchWarning, stacklevel=2
        )
