"""A dataset whose samples lie in files on this machine, with their class names and prompts."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from scc_core.datasets.base import Dataset, DatasetCard, Labels, LeftOut, Uint8Image
from scc_core.datasets.files.manifest import Manifest, read_manifest
from scc_core.datasets.files.samples import Samples


class FileDataset(Dataset):
    """Samples of files, with class names and prompts.

    Attributes:
        samples: where images and labels come from.
        folder: the folder that was read.
    """

    def __init__(
        self,
        card: DatasetCard,
        class_names: tuple[str, ...],
        templates: tuple[str, ...],
        samples: Samples,
        folder: Path,
        left_out: tuple[LeftOut, ...] = (),
        class_keys: tuple[str, ...] = (),
    ) -> None:
        self.card = card
        self.class_names = class_names
        self.templates = templates
        self.samples = samples
        self.folder = folder
        self.left_out = tuple(entry.legible() for entry in left_out)
        self.class_keys = class_keys
        inner = folder if samples.folder is None else samples.folder
        # Texts, since a Path for each of many samples is slow.
        self._root = f"{folder.as_posix()}/"
        self._prefix = f"{inner.as_posix()}/".removeprefix(self._root)

    @property
    def labels(self) -> Labels:  # type: ignore[override]
        """``(N,)`` int64, the class of every sample."""
        return self.samples.labels

    def image(self, index: int) -> Uint8Image:
        """Return sample ``index`` as ``(H, W, 3)`` uint8 RGB."""
        return self.samples.image(index)

    def sample_name(self, index: int) -> str:
        """Return the path of sample ``index`` inside of the dataset's folder, or its place in the file that has many.

        A file that a table names by its path elsewhere on this machine keeps that path.
        """
        return (self._prefix + self.samples.ids[index]).removeprefix(self._root)

    @cached_property
    def manifest(self) -> Manifest:
        """Every sample's id, label and SHA-256; the first use hashes the files.

        Raises:
            UserError: a file is missing or cannot be read.
        """
        return read_manifest(self.samples, self.name.partition("@")[0], self.folder)

    @property
    def version(self) -> str:  # type: ignore[override]
        """The manifest's digest; the first use hashes the files."""
        return self.manifest.digest
