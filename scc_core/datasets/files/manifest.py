"""Which samples a dataset holds, by the content of each: two copies are the same exactly if their digests are."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from scc_core.datasets.files.sample_property import SampleProperty
from scc_core.datasets.files.samples import Samples

_FORMAT = "manifest-1"
_CONTENT_DIGEST = SampleProperty(
    "manifests", _FORMAT, "hashing", lambda samples, index: hashlib.sha256(samples.content(index)).hexdigest()
)


class ManifestRow(NamedTuple):
    """One sample: its id, its label and the SHA-256 of its content in hexadecimal digits."""

    id: str
    label: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """All samples of a dataset in its fixed order; row ``i`` is sample ``i``."""

    rows: tuple[ManifestRow, ...]

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of all rows: the dataset's version."""
        digest = hashlib.sha256(f"{_FORMAT}\n".encode())
        for row in self.rows:
            digest.update(f"{row.sha256} {row.label} ".encode() + os.fsencode(row.id) + b"\n")
        return digest.hexdigest()

    def holds(self, index: int, content: bytes) -> bool:
        """Tell whether ``content`` is the one that sample ``index`` had when the manifest was made."""
        return hashlib.sha256(content).hexdigest() == self.rows[index].sha256

    def content_digest(self, indices: Iterable[int]) -> str:
        """Return the SHA-256 over the contents of some samples."""
        return hashlib.sha256("".join([self.rows[index].sha256 for index in indices]).encode()).hexdigest()


def read_manifest(samples: Samples, name: str, folder: Path) -> Manifest:
    """Return the manifest of ``samples``; hash only what changed since the last time.

    The digests are kept below :func:`~scc_core.machine.folders.cache_folder`, each valid while its files keep their
    stamps (:mod:`~scc_core.datasets.files.stamps`). Of several processes one hashes and the others wait for it.

    Args:
        samples: what a reader found.
        name: shown with the progress.
        folder: the dataset's folder; with ``name`` it tells the caches of several copies apart.

    Raises:
        UserError: a file of the dataset is missing, cannot be read, or changes while it is read.
    """
    digests = _CONTENT_DIGEST.of(samples, name, folder)
    rows = zip(samples.ids, samples.labels.tolist(), strict=True)
    return Manifest(tuple(ManifestRow(id_, label, digests[id_]) for id_, label in rows))


def forget_digest(sample: str, name: str, folder: Path) -> None:
    """Hash the sample of this id the next time that a manifest is read, whatever the stamps of its files say."""
    _CONTENT_DIGEST.forget(sample, name, folder)
