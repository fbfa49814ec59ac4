"""The labelled images of one dataset on disk, without class names and prompts."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from scc_core.datasets.base import Labels, Uint8Image
from scc_core.datasets.files.decoding import decode_bytes


class Sample(NamedTuple):
    """An image file: its path below the dataset's folder, with ``/`` between the parts, and its label."""

    path: str
    label: int


class Samples(ABC):
    """What a reader finds in a dataset's folder; index ``i`` names the same sample for ever.

    Attributes:
        labels: ``(N,)`` int64.
        ids: for every sample what names it within the dataset, such as its relative path.
        sources: files and folders that labels, ids or pixels of several samples were read from, such as lists.
        folder: where the ids are paths, the folder that they begin in.
    """

    labels: Labels
    ids: Sequence[str]
    sources: Sequence[Path] = ()
    folder: Path | None = None

    @abstractmethod
    def content(self, index: int) -> bytes:
        """Return the bytes whose SHA-256 identifies sample ``index``: its encoded file, or its raw pixels.

        Raises:
            OSError: they cannot be read.
        """

    @abstractmethod
    def decode(self, index: int, content: bytes) -> Uint8Image:
        """Return sample ``index`` as ``(H, W, 3)`` uint8 RGB, from its content alone.

        Raises:
            UnreadableImageError: the content is no image.
        """

    def image(self, index: int) -> Uint8Image:
        """Read and decode sample ``index``."""
        return self.decode(index, self.content(index))

    @abstractmethod
    def files_of(self, index: int) -> Sequence[str | Path]:
        """Return the files that the content of sample ``index`` comes from; it changes only if one of them does."""

    def __len__(self) -> int:
        return len(self.labels)


class FileSamples(Samples):
    """One image file per sample.

    Args:
        folder: the dataset's folder.
        samples: in the dataset's fixed order.
        sources: the lists or folders that they were found in.
    """

    folder: Path

    def __init__(self, folder: Path, samples: Iterable[Sample], sources: Sequence[Path] = ()) -> None:
        listed = tuple(samples)
        self.folder = folder
        self.sources = sources
        self._prefix = f"{folder}{os.sep}"
        self.ids = tuple(sample.path for sample in listed)
        self.labels = np.array([sample.label for sample in listed], dtype=np.int64)

    def path(self, index: int) -> Path:
        """Return the file of sample ``index``."""
        return self.folder / self.ids[index]

    def content(self, index: int) -> bytes:
        """Return the file's bytes."""
        return self.path(index).read_bytes()

    def decode(self, index: int, content: bytes) -> Uint8Image:
        """Decode the image file."""
        return decode_bytes(content, self.ids[index])

    def files_of(self, index: int) -> Sequence[str | Path]:
        """Return the one file of sample ``index``; as text, since a Path for each of many files is slow."""
        # A table may name a file by a path that begins at the root.
        return (os.path.join(self._prefix, self.ids[index]),)  # noqa: PTH118


class ArraySamples(Samples):
    """Samples in arrays that one or more files hold together.

    Args:
        files: all files that the pixels come from.
        labels: ``(N,)``, any integer type.
        shape: of every sample, ``(H, W)`` or ``(H, W, C)``.
        pixels: returns sample ``i`` as the files hold it, of that shape, uint8.
        prefix: begins the ids, which end in the index.
        labels_file: where the labels lie, if not in ``files``.
    """

    def __init__(
        self,
        files: Sequence[Path],
        labels: Iterable[int],
        shape: Sequence[int],
        pixels: Callable[[int], Uint8Image],
        prefix: str,
        labels_file: Path | None = None,
    ) -> None:
        self._files = tuple(files)
        self.sources = self._files if labels_file is None else (*self._files, labels_file)
        self._shape = tuple(shape)
        self._pixels = pixels
        self.labels = np.asarray(labels, dtype=np.int64)
        self.ids = tuple(f"{prefix}/{index}" for index in range(len(self.labels)))

    def content(self, index: int) -> bytes:
        """Return the pixels of sample ``index``, as the files hold them, in row-major order."""
        return self._pixels(index).tobytes()

    def decode(self, index: int, content: bytes) -> Uint8Image:  # noqa: ARG002
        """Return the pixels as an image; a grey one becomes RGB."""
        pixels = np.frombuffer(content, np.uint8).reshape(*self._shape[:2], -1)
        return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels.copy()

    def files_of(self, index: int) -> Sequence[Path]:  # noqa: ARG002
        """Return the container files, the same for every sample."""
        return self._files


def bytewise(paths: Iterable[str]) -> list[str]:
    """Sort by the bytes of the names, which no locale and no file system changes."""
    return sorted(paths, key=os.fsencode)
