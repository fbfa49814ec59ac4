"""The store itself: a chunk from its file, or built, or, where the disk fails, merely decoded."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from scc_core.datasets.pixels.disk_cache.budget import PART_SUFFIX, Budget
from scc_core.datasets.pixels.disk_cache.chunk import Chunk, CorruptChunkError, Uint8Images
from scc_core.errors import SccBenchWarning
from scc_core.machine.file_lock import file_lock


class ImageStore:
    """Prepared images in a folder that all processes of a machine share.

    Args:
        folder: of the store; made when the first chunk is written.
        max_bytes: how large it may become; the least recently used chunks go first.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder = folder
        self._budget = Budget(folder, max_bytes)
        self._warned = False

    def chunk(self, chunk: Chunk, decode: Callable[[], Uint8Images]) -> Uint8Images:
        """Return a chunk's images, read-only and mapped from the store if that is possible.

        Args:
            chunk: which one.
            decode: makes its images; called only if no process has built it, never by two processes at once, and
                not to raise OSError.

        Raises:
            Exception: whatever ``decode`` raises; trouble with the disk is one warning, and the images are decoded.
        """
        images = None
        try:
            stored = self._open(chunk)
            if stored is not None:
                return stored
            path = self.folder / chunk.name
            part = path.with_suffix(PART_SUFFIX)
            with file_lock(part, temporary=True, mode=0o644) as file:
                # Whoever held the part before has most likely built the chunk.
                stored = self._open(chunk)
                if stored is not None:
                    return stored
                self._budget.reserve(file, chunk.num_bytes)
                images = decode()
                chunk.write(file, images)
                stored = chunk.map(part)
                part.replace(path)
                return stored
        except (OSError, CorruptChunkError) as error:
            self._warn(error)
            return decode() if images is None else images

    def touch(self, chunk: Chunk) -> None:
        """Note that a chunk is in use, though it was opened earlier."""
        # It may have been removed meanwhile, or belong to another user; neither matters to whoever has it mapped.
        with suppress(OSError):
            os.utime(self.folder / chunk.name)

    def _open(self, chunk: Chunk) -> Uint8Images | None:
        path = self.folder / chunk.name
        try:
            stored = chunk.map(path)
        except FileNotFoundError:
            return None
        except CorruptChunkError as error:
            warnings.warn(
                f"prepared images {path} are damaged ({error}); they are made anew", SccBenchWarning, stacklevel=2
            )
            return None
        self.touch(chunk)
        return stored

    def _warn(self, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"images are decoded without the store of prepared images in {self.folder}: {error}",
                SccBenchWarning,
                stacklevel=3,
            )
