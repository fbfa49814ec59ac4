"""The disk cache: it gives a chunk from its file, or builds the file, or decodes the images where the disk fails."""

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


class DiskCache:
    """Prepared images in a folder that all processes of a machine share.

    Args:
        folder: of the cache; it is made when the first chunk is written.
        max_bytes: how large the cache may become; the least recently used chunks go first.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder = folder
        self._budget = Budget(folder, max_bytes)
        self._warned = False

    def chunk(self, chunk: Chunk, decode: Callable[[], Uint8Images]) -> Uint8Images:
        """Return a chunk's images, read-only and mapped from the chunk's file if that is possible.

        Args:
            chunk: which one.
            decode: makes the images. It is called only if no process has built the chunk, and never by two processes
                at once. It must not raise OSError.

        Raises:
            Exception: whatever ``decode`` raises; a fault of the disk is one warning, and the images are decoded.
        """
        images = None
        try:
            cached = self._open(chunk)
            if cached is not None:
                return cached
            path = self.folder / chunk.name
            part = path.with_suffix(PART_SUFFIX)
            with file_lock(part, temporary=True, mode=0o644) as file:
                # The process that held the part before has most likely built the chunk.
                cached = self._open(chunk)
                if cached is not None:
                    return cached
                self._budget.reserve(file, chunk.num_bytes)
                images = decode()
                chunk.write(file, images)
                cached = chunk.map(part)
                part.replace(path)
                return cached
        except (OSError, CorruptChunkError) as error:
            if not self._warned:
                self._warned = True
                warnings.warn(
                    f"images are decoded without the disk cache of prepared images in {self.folder}: {error}",
                    SccBenchWarning,
                    stacklevel=2,
                )
            return decode() if images is None else images

    def touch(self, chunk: Chunk) -> None:
        """Note that a chunk is in use, though it was opened earlier."""
        # The file may be gone or belong to another user; neither matters to a process that has it mapped.
        with suppress(OSError):
            os.utime(self.folder / chunk.name)

    def _open(self, chunk: Chunk) -> Uint8Images | None:
        path = self.folder / chunk.name
        try:
            images = chunk.map(path)
        except FileNotFoundError:
            return None
        except CorruptChunkError as error:
            warnings.warn(
                f"prepared images {path} are damaged ({error}); they are made anew", SccBenchWarning, stacklevel=2
            )
            return None
        self.touch(chunk)
        return images
