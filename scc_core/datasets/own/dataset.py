"""A dataset of the user's own, without a card in this package."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from scc_core.datasets.base import Dataset, DatasetCard, Labels, LeftOut, Uint8Image
from scc_core.datasets.manifest import Manifest, read_manifest
from scc_core.datasets.own.address import Address
from scc_core.datasets.own.texts import ClassNames
from scc_core.datasets.samples import Samples
from scc_core.errors import UserError


class OwnDataset(Dataset):
    """Samples with names and prompts.

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
    ) -> None:
        self.card = card
        self.class_names = class_names
        self.templates = templates
        self.samples = samples
        self.folder = folder
        self.left_out = left_out

    @property
    def labels(self) -> Labels:  # type: ignore[override]
        """``(N,)`` int64, the class of every sample."""
        return self.samples.labels

    def image(self, index: int) -> Uint8Image:
        """Return sample ``index`` as ``(H, W, 3)`` uint8 RGB."""
        return self.samples.image(index)

    @cached_property
    def manifest(self) -> Manifest:
        """Every sample's id, label and SHA-256; the first use hashes the files.

        Raises:
            UserError: a file is missing or cannot be read.
        """
        return read_manifest(self.samples, self.name, self.folder)

    @property
    def version(self) -> str:  # type: ignore[override]
        """The manifest's digest; the first use hashes the files."""
        return self.manifest.digest

    @property
    def images_name(self) -> str:
        """The same for every folder, so that two copies have the same order wherever they lie."""
        return "own data"


def check_any(address: Address, samples: Samples, left_out: Sequence[LeftOut]) -> None:
    """Check that there is an image at all.

    Raises:
        UserError: there is none; the text gives the first of the reasons.
    """
    if not len(samples):
        first = f"; the first: {left_out[0].name}: {left_out[0].reason}" if left_out else ""
        raise UserError(f"{address.name}: no image can be read ({len(left_out)} left out{first})")


def empty_classes(names: ClassNames, samples: Samples) -> Iterator[LeftOut]:
    """Yield the classes without a sample: they stay among the possible answers."""
    labels = set(samples.labels.tolist())
    for label, (key, name) in enumerate(zip(names.keys, names.names, strict=True)):
        if label not in labels:
            yield LeftOut(key, f"class {name!r} has no image that can be read; it stays among the possible answers")
