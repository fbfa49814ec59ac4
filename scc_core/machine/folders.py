"""The two folders of this project on a machine: the cache, and the datasets."""

from __future__ import annotations

import os
import tempfile
import warnings
from pathlib import Path

from scc_core.errors import SccBenchWarning
from scc_core.machine import settings


def cache_folder() -> Path:
    """Return the folder of what can be made again (prepared images, digests); it need not exist.

    ``SCCBENCH_CACHE``, else ``sccbench`` in ``XDG_CACHE_HOME`` or ``~/.cache``.
    """
    default = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "sccbench"
    return settings.CACHE.read() or default.expanduser().absolute()


def data_folder() -> Path:
    """Return the folder of the datasets, downloaded or put there by hand; it need not exist.

    ``SCCBENCH_DATA``, else ``datasets`` in :func:`cache_folder`.
    """
    return settings.DATA.read() or cache_folder() / "datasets"


def keep(path: Path, text: str) -> None:
    """Write a file of :func:`cache_folder` as a whole; a failure is a warning, since the content can be made again."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
            file.write(text)
        Path(file.name).replace(path)
    except OSError as error:
        warnings.warn(
            f"what took time to find out cannot be kept in {path.parent}: {error}", SccBenchWarning, stacklevel=2
        )
