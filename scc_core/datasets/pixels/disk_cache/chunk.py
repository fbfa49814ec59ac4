"""A chunk of prepared images and its file: a header of one page, then the pixels as they are."""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import re
import struct
import zlib
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL

from scc_core.blocks import BLOCK_SIZE

Uint8Images = npt.NDArray[np.uint8]
"""``(n, side, side, 3)`` uint8 RGB."""

CHUNK_SIZE = BLOCK_SIZE
"""Positions of the order per file: those of a block, the smallest thing that is measured; none is decoded in vain."""
HEADER_BYTES = 4096
"""A page, so that the pixels are mapped from their first byte on."""
SUFFIX = ".pixels"
FORMAT = 2
"""Files of format 1 may hold the pixels of images that had changed since the dataset's version was made."""
_HEADER = struct.Struct("<8s32s32sIII")
_MAGIC = f"SCCPIX{FORMAT}\n".encode()


class CorruptChunkError(Exception):
    """A chunk's file is not what it should be; the text says how."""


@dataclass(frozen=True)
class Preparation:
    """What fixes every byte of a dataset's prepared images.

    Attributes:
        dataset: the name of its images.
        version: its version.
        order: SHA-256 of the order of its samples.
        preprocessing: ``native`` or ``paper``.
        image_size: side of the square images in pixels.
        pillow: version of the library that decodes and resizes.
        format: of the chunks' files.
    """

    dataset: str
    version: str
    order: str
    preprocessing: str
    image_size: int
    pillow: str = PIL.__version__
    format: int = FORMAT

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 over all of it."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).digest()

    @cached_property
    def folder(self) -> str:
        """The name of its folder: readable, and different for every preparation."""
        readable = re.sub(r"[^A-Za-z0-9._]+", "-", self.dataset).strip("-.")[-60:]
        return f"{readable}-{self.preprocessing}-{self.image_size}-{self.digest.hex()[:16]}"


@dataclass(frozen=True)
class Chunk:
    """The images at positions ``number * CHUNK_SIZE`` and on of a dataset's order.

    Attributes:
        preparation: whose images these are.
        number: of the chunk, from 0.
        count: images in it; fewer than ``CHUNK_SIZE`` only in the last one.
        made_from: digest of the contents that the images are decoded from; empty where the version alone tells it.
    """

    preparation: Preparation
    number: int
    count: int
    made_from: str = ""

    @property
    def name(self) -> str:
        """Path of its file in the disk cache."""
        return f"{self.preparation.folder}/{self.number:06}{SUFFIX}"

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``(count, side, side, 3)``."""
        return (self.count, self.preparation.image_size, self.preparation.image_size, 3)

    @property
    def num_bytes(self) -> int:
        """Size of its file."""
        return HEADER_BYTES + int(np.prod(self.shape))

    def write(self, file: int, images: Uint8Images) -> None:
        """Write the chunk to the open, empty file and wait until it is on the disk.

        Raises:
            OSError: the disk is full, or another of its many reasons.
        """
        header = self._header(zlib.crc32(images.data)).ljust(HEADER_BYTES, b"\0")
        with os.fdopen(os.dup(file), "r+b") as stream:
            stream.write(header)
            stream.write(images.data)
            stream.flush()
            os.fsync(stream.fileno())

    def map(self, path: Path) -> Uint8Images:
        """Map a file, read-only; the mapping outlives the file's name.

        Raises:
            CorruptChunkError: it is shorter or longer than it should be, made from something else, or damaged.
            OSError: it is not there or cannot be read.
        """
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size != self.num_bytes:
                raise CorruptChunkError(f"it has {size} bytes instead of {self.num_bytes}")
            mapped = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
        images: Uint8Images = np.frombuffer(mapped, np.uint8, offset=HEADER_BYTES).reshape(self.shape)
        if mapped[: _HEADER.size] != self._header(zlib.crc32(images.data)):
            raise CorruptChunkError("its header and its pixels do not belong together")
        return images

    def _header(self, checksum: int) -> bytes:
        made_from = hashlib.sha256(self.made_from.encode()).digest()
        preparation = self.preparation
        return _HEADER.pack(_MAGIC, preparation.digest, made_from, self.count, preparation.image_size, checksum)
