"""What the kinds of the user's own data share: a dataset without a card in this package, and its checks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from scc_core.datasets.base import DatasetCard, LeftOut
from scc_core.datasets.files.file_dataset import FileDataset
from scc_core.datasets.files.samples import Samples
from scc_core.datasets.own.address import Address
from scc_core.datasets.own.bit_depth import doubt_bit_depth
from scc_core.datasets.own.texts import ClassNames
from scc_core.errors import UserError


class OwnDataset(FileDataset):
    """Samples that are known by an address.

    Args:
        card: name and place.
        names: the classes.
        templates: prompt templates.
        samples: where images and labels come from.
        folder: the folder that was read.
        left_out: what lies beside the samples.
        texts: files that names and templates came from, or would if they were there.
        doubts: what about the folders or the table a reader should look at, as lines.
    """

    def __init__(
        self,
        card: DatasetCard,
        names: ClassNames,
        templates: tuple[str, ...],
        samples: Samples,
        folder: Path,
        left_out: tuple[LeftOut, ...],
        texts: Sequence[Path],
        doubts: tuple[str, ...] = (),
    ) -> None:
        super().__init__(card, names.names, templates, samples, folder, left_out, texts, names.keys)
        self._listing_doubts = (*doubts, *names.doubts)

    @cached_property
    def doubts(self) -> tuple[str, ...]:
        """The doubts of folders or table, names and templates, and of the depth of 16-bit files."""
        return (*self._listing_doubts, *super().doubts, *doubt_bit_depth(self.samples, self.name, self.folder))

    @property
    def images_name(self) -> str:
        """The same for every address, so that two copies have the same order wherever they lie."""
        return "own data"


def check_any(address: Address, samples: Samples, left_out: Sequence[LeftOut]) -> None:
    """Check that there is an image at all.

    Raises:
        UserError: there is none; the text gives the first of the reasons.
    """
    if not len(samples):
        first = "; the first: {}: {}".format(*left_out[0].legible()) if left_out else ""
        raise UserError(f"{address.name}: no image can be read ({len(left_out)} left out{first})")


def empty_classes(names: ClassNames, samples: Samples) -> Iterator[LeftOut]:
    """Yield the classes without a sample: they stay among the possible answers."""
    labels = set(samples.labels.tolist())
    for label, (key, name) in enumerate(zip(names.keys, names.names, strict=True)):
        if label not in labels:
            yield LeftOut(key, f"class {name!r} has no image that can be read; it stays among the possible answers")
