"""The dataset contract: labelled RGB images with class names and prompt templates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Uint8Image = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class DatasetCard:
    """What a reader must know of a dataset before believing a number measured on it."""

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


class Dataset(ABC):
    """A fixed, indexable set of labelled images.

    Index ``i`` names the same image for ever: it keys the noise, the cache and the stored outcomes.

    Attributes:
        card: description, licence and source.
        class_names: ``K`` names, in the order of the label integers.
        templates: prompt templates with one ``{}`` each; several make a prompt ensemble.
        labels: ``(N,)`` int64, the class of every sample, cheap to read (no image is decoded for it).
        version: changes whenever the images, their order or their labels change; part of a cell's identity.
    """

    card: DatasetCard
    class_names: tuple[str, ...]
    templates: tuple[str, ...]
    labels: Labels
    version: str

    @abstractmethod
    def image(self, index: int) -> Uint8Image:
        """Return sample ``index`` as ``(H, W, 3)`` uint8 RGB, decoded but neither resized nor cropped."""

    @property
    def name(self) -> str:
        """The name under which grids and results know the dataset."""
        return self.card.name

    def __len__(self) -> int:
        return len(self.labels)

    def prompts(self) -> Mapping[str, tuple[str, ...]]:
        """Return for every class name its rendered prompts, in label order."""
        return {name: tuple(template.format(name) for template in self.templates) for name in self.class_names}
