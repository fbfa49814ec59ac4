"""Published datasets: a card describes each, and its files on this machine are opened by the card."""

from __future__ import annotations

import importlib
import warnings
from dataclasses import dataclass
from pathlib import Path

from scc_core.datasets.base import Dataset, DatasetCard
from scc_core.datasets.cards import Description, describe_card
from scc_core.datasets.files.file_dataset import FileDataset
from scc_core.datasets.files.readable_samples import ReadableSamples, leave_out_unreadable
from scc_core.errors import NotFetchedError, SccBenchWarning, UserError
from scc_core.machine import settings
from scc_core.machine.folders import data_folder


class IncompleteDatasetWarning(SccBenchWarning):
    """A copy of a dataset does not have the published number of images."""


class PublishedDataset(FileDataset):
    """A published dataset with its samples on disk.

    Attributes:
        description: card, class names and prompts.
    """

    def __init__(self, description: Description, readable: ReadableSamples, folder: Path) -> None:
        super().__init__(
            description.card,
            description.class_names,
            description.templates,
            readable.samples,
            folder,
            readable.left_out,
            class_keys=description.class_folders,
        )
        self.description = description

    @property
    def images_name(self) -> str:
        """The name without the choice of prompts, which changes no image."""
        return self.name.partition("@")[0]


@dataclass(frozen=True)
class PublishedEntry:
    """The registry's entry of a published dataset; a call opens the files."""

    name: str

    @property
    def description(self) -> Description:
        """Card, class names and prompts, read from this package without any of the dataset's files."""
        return describe_card(self.name)

    @property
    def card(self) -> DatasetCard:
        """What the dataset is."""
        return self.description.card

    def __call__(self) -> Dataset:
        """Open the dataset; see :func:`open_described`."""
        return open_described(self.description)


def open_described(description: Description) -> PublishedDataset:
    """Open the files that a description speaks of.

    Raises:
        NotFetchedError: they are not there.
        UserError: they are there but not as the layout demands.
    """
    name, folder = description.card.name.partition("@")[0], data_folder() / description.folder
    reader = importlib.import_module(f"scc_core.datasets.files.readers.{description.reader}")
    try:
        samples = reader.read(folder, description)
    except FileNotFoundError as error:
        raise not_fetched(description, Path(error.filename or folder)) from None
    if not len(samples):
        raise not_fetched(description, folder)
    if samples.labels.min() < 0 or samples.labels.max() >= len(description.class_names):
        raise UserError(f"dataset {name}: {folder} has labels outside of its {len(description.class_names)} classes")
    # What this program downloads it checks; what a person put there may be damaged.
    readable = leave_out_unreadable(samples, name, folder) if description.card.obtain else ReadableSamples(samples, ())
    found, published = len(readable.samples), description.card.images
    if published not in (0, found):
        warnings.warn(
            f"dataset {name} has {found:,} images in {folder}, published are {published:,}; "
            f"`sccbench doctor --dataset {name}` tells the difference",
            IncompleteDatasetWarning,
            stacklevel=2,
        )
    return PublishedDataset(description, readable, folder)


def not_fetched(description: Description, missing: Path) -> NotFetchedError:
    """Build the error for a dataset whose files are missing; it names the place and what brings the files."""
    name = description.card.name.partition("@")[0]
    steps = (
        f"`sccbench fetch datasets {name}` downloads it"
        if description.download
        else f"no program may download it: `sccbench fetch datasets {name}` prints the steps (also docs/datasets.md)"
    )
    return NotFetchedError(
        f"dataset {name} is not on this machine: {missing} is missing; {steps}; "
        f"{settings.DATA.name} names another data folder"
    )
