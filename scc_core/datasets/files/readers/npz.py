"""Arrays inside of npz archives, mapped rather than loaded, so that a large array takes no memory."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scc_core.datasets.files.stamps import stamp
from scc_core.errors import UserError
from scc_core.machine.file_lock import file_lock
from scc_core.machine.folders import cache_folder

_CHUNK = 2**20


def read_array(path: Path, key: str) -> npt.NDArray[Any]:
    """Return array ``key`` of the archive, mapped read-only.

    The array is unpacked into :func:`~scc_core.machine.folders.cache_folder`, once for each state of the archive: again
    if it has another size or time of modification, or was changed in any way since. Of several processes one unpacks it
    and the others wait.

    Raises:
        FileNotFoundError: no such archive.
        UserError: not an npz archive, without this array, damaged, changing meanwhile, or the cache cannot be written.
    """
    status, before = path.stat(), stamp(path)
    state = f"{path.absolute()}\0{key}\0{status.st_size}:{status.st_mtime_ns}"
    target = cache_folder() / "arrays" / f"{hashlib.sha256(os.fsencode(state)).hexdigest()[:32]}.npy"
    try:
        if not _is_later(target, path):
            with file_lock(target.with_suffix(".lock")):
                if not _is_later(target, path):
                    _unpack(path, key, target)
        array: npt.NDArray[Any] = np.load(target, mmap_mode="r", allow_pickle=False)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError) as error:
        raise UserError(f"{path} is no npz archive, or damaged: {error}") from None
    except OSError as error:
        raise UserError(f"cannot unpack {path} to {target}: {error.strerror or error}") from None
    if stamp(path) != before:
        raise UserError(f"{path} changes while it is read")
    return array


def _unpack(path: Path, key: str, target: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        if f"{key}.npy" not in archive.namelist():
            names = ", ".join(sorted(name.removesuffix(".npy") for name in archive.namelist()))
            raise UserError(f"{path} has no array {key!r}; it has {names or 'none'}")
        with (
            archive.open(f"{key}.npy") as packed,
            tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as unpacked,
        ):
            shutil.copyfileobj(packed, unpacked, _CHUNK)
    Path(unpacked.name).replace(target)


def _is_later(target: Path, path: Path) -> bool:
    """Tell whether ``target`` was made after the last change of the file at ``path``."""
    return target.exists() and target.stat().st_mtime_ns > path.stat().st_ctime_ns
