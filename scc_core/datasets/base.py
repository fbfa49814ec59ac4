"""The dataset contract: labelled RGB images with class names and prompt templates."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from scc_core.datasets.name_doubts import doubt_names
from scc_core.prompts import render_prompts

Uint8Image = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class DatasetCard:
    """What a reader must know of a dataset before believing a number measured on it.

    Attributes:
        title: the name that papers use.
        images: how many the published split has; 0 is unknown until it is opened.
        classes: how many there are; 0 is unknown until it is opened.
        obtain: the exact steps, in order, where no program may download it.
        layout: the files that are expected, one path a line, below the data folder.
    """

    name: str
    summary: str
    task: str
    modality: str
    split: str
    licence: str
    source: str
    citation: str = ""
    demonstration: bool = False
    notes: Sequence[str] = field(default_factory=tuple)
    title: str = ""
    images: int = 0
    classes: int = 0
    obtain: Sequence[str] = ()
    layout: str = ""


class LeftOut(NamedTuple):
    """Something beside a dataset's samples that was not expected: a file, a line of a table, an empty class folder."""

    name: str
    reason: str

    def legible(self) -> LeftOut:
        """Return the entry with a name that can be printed: bytes that are no UTF-8 are replaced."""
        return LeftOut(os.fsencode(self.name).decode(errors="replace"), self.reason)


class Dataset(ABC):
    """A fixed, indexable set of labelled images.

    Index ``i`` names the same image for ever: it keys the noise, the prepared images and the outcomes in the database.

    Attributes:
        card: description, licence and source.
        class_names: ``K`` names, in the order of the label integers.
        templates: prompt templates with one ``{}`` each; several make a prompt ensemble.
        labels: ``(N,)`` int64, the class of every sample, cheap to read (no image is decoded for it).
        version: changes whenever the images, their order or their labels change; part of a cell's identity, and of
            the key under which prepared images are kept on disk from run to run.
        left_out: what lies beside the samples and could not be taken for one.
        class_keys: what the data calls the classes, in label order, such as the names of folders; empty where the class
            names are all there is.
    """

    card: DatasetCard
    class_names: tuple[str, ...]
    templates: tuple[str, ...]
    labels: Labels
    version: str
    left_out: tuple[LeftOut, ...] = ()
    class_keys: tuple[str, ...] = ()

    @abstractmethod
    def image(self, index: int) -> Uint8Image:
        """Return sample ``index`` as ``(H, W, 3)`` uint8 RGB, decoded but neither resized nor cropped.

        May be called from another thread than the one that opened the dataset, but never from two at once. Whatever it
        raises fails the cells that need the sample, with the names of both in the error.
        """

    def content_digest(self, indices: Sequence[int]) -> str:  # noqa: ARG002
        """Return a digest of what the images at ``indices`` are made from; empty where the version alone tells it."""
        return ""

    def changed_file(self) -> str | None:
        """Return a file that labels, names or prompts came from and that has changed since; None if there is none."""
        return None

    @property
    def name(self) -> str:
        """The name under which grids and results know the dataset."""
        return self.card.name

    @property
    def images_name(self) -> str:
        """The name of the images, which fixes the samples' order; datasets that differ only in prompts share it."""
        return self.name

    def sample_name(self, index: int) -> str:
        """Return what the data calls sample ``index``, such as its path inside of the dataset; here the index.

        It is stored with the results, so that they can be read without the data; nothing is computed from it. Every
        sample is asked for before a run, so that this must be quick.
        """
        return str(index)

    @property
    def doubts(self) -> tuple[str, ...]:
        """What a reader should look at before believing a number measured on it, as lines; computed when asked for."""
        return doubt_names(self.class_keys or self.class_names, self.class_names, self.templates)

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name}, {len(self)} samples, {len(self.class_names)} classes)"

    def prompts(self) -> Mapping[str, tuple[str, ...]]:
        """Return for every class name its rendered prompts, in label order."""
        return render_prompts(self.class_names, self.templates)
