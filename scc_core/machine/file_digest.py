"""SHA-256 of large files, computed once per file and kept in the cache folder."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from scc_core.machine.folders import cache_folder

_WORTH_KEEPING = 1 << 20
# A file may change twice within one tick of the file system's clock. So the digest of a file that has just changed is
# not kept; git does the same.
_SETTLED_NS = 2_000_000_000


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits.

    A digest is kept by path, size, modification time and inode, so that a changed file is read again. Several
    processes may ask at once: each entry is a small file of its own, which is written as a whole.
    """
    path = path.resolve()
    before = _identity(path)
    if before["size"] < _WORTH_KEEPING:
        return _compute(path)
    entry = cache_folder() / "digests" / f"{hashlib.sha256(os.fsencode(path)).hexdigest()}.json"
    # An entry that is missing or damaged only means that the file is read again.
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(entry.read_text(encoding="utf-8"))
        if all(kept[key] == value for key, value in before.items()):
            return str(kept["sha256"])
    digest = _compute(path)
    if _identity(path) == before and time.time_ns() - before["mtime_ns"] > _SETTLED_NS:
        # A cache that cannot be written, on a read-only or full disk, costs time and nothing else.
        with suppress(OSError):
            entry.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=entry.parent, delete=False, encoding="utf-8") as stream:
                json.dump({**before, "path": str(path), "sha256": digest}, stream)
            Path(stream.name).replace(entry)
    return digest


def _identity(path: Path) -> dict[str, int]:
    status = path.stat()
    return {"size": status.st_size, "mtime_ns": status.st_mtime_ns, "inode": status.st_ino}


def _compute(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
