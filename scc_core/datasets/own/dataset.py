"""What the kinds of the user's own data share: a dataset without a card in this package, and its checks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scc_core.datasets.base import LeftOut
from scc_core.datasets.files.file_dataset import FileDataset
from scc_core.datasets.files.samples import Samples
from scc_core.datasets.own.address import Address
from scc_core.datasets.own.texts import ClassNames
from scc_core.errors import UserError


class OwnDataset(FileDataset):
    """Samples that are known by an address."""

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
