"""A dataset whose samples lie in files on this machine, with their class names and prompts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scc_core.datasets.base import Dataset, DatasetCard, Labels, LeftOut, Uint8Image
from scc_core.datasets.files.manifest import Manifest, forget_digest, read_manifest
from scc_core.datasets.files.samples import Samples
from scc_core.datasets.files.stamps import WatchedFiles
from scc_core.errors import ChangedDataError


class FileDataset(Dataset):
    """Samples of files, with class names and prompts.

    Once the version is known, an image is only given if its content is the one that the version was made from.

    Args:
        texts: the files of class names and templates, which need not exist.

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
        texts: Sequence[Path] = (),
        class_keys: tuple[str, ...] = (),
    ) -> None:
        self.card = card
        self.class_names = class_names
        self.templates = templates
        self.samples = samples
        self.folder = folder
        self.left_out = tuple(entry.legible() for entry in left_out)
        self._manifest: Manifest | None = None
        self._watched = WatchedFiles((*texts, *samples.sources))
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
        """Return sample ``index`` as ``(H, W, 3)`` uint8 RGB.

        Raises:
            ChangedDataError: its file is gone, or not the one that the version was made from.
            UnreadableImageError: its file is no image.
        """
        id_ = self.samples.ids[index]
        try:
            content = self.samples.content(index)
        except OSError as error:
            raise ChangedDataError(f"{id_}: {error.strerror or error}") from error
        if self._manifest is not None and not self._manifest.holds(index, content):
            forget_digest(id_, self._base_name, self.folder)
            raise ChangedDataError(f"{id_} has changed: it is not what version {self.version[:12]} was made from")
        return self.samples.decode(index, content)

    def content_digest(self, indices: Sequence[int]) -> str:
        """Return the SHA-256 over the contents of some samples; the first use hashes the files."""
        return self.manifest.content_digest(indices)

    def changed_file(self) -> str | None:
        """Return a text, a list, an archive or a class folder that changed since the dataset was opened, or None."""
        path = self._watched.changed()
        if path is None:
            return None
        if path == self.folder:
            return f"the folder {path.name}"
        return path.relative_to(self.folder).as_posix() if path.is_relative_to(self.folder) else str(path)

    def sample_name(self, index: int) -> str:
        """Return the path of sample ``index`` inside of the dataset's folder, or its place in the file that has many.

        A file that a table names by its path elsewhere on this machine keeps that path.
        """
        return (self._prefix + self.samples.ids[index]).removeprefix(self._root)

    @property
    def manifest(self) -> Manifest:
        """Every sample's id, label and SHA-256; the first use hashes the files.

        Raises:
            UserError: a file is missing, cannot be read, or changes while it is read.
        """
        if self._manifest is None:
            self._manifest = read_manifest(self.samples, self._base_name, self.folder)
        return self._manifest

    @property
    def version(self) -> str:  # type: ignore[override]
        """The manifest's digest; the first use hashes the files."""
        return self.manifest.digest

    @property
    def _base_name(self) -> str:
        return self.name.partition("@")[0]
