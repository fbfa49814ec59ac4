"""What a dataset calls its classes and its samples, so that results can be read without the data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from scc_core.datasets.base import Dataset, Labels
from scc_core.datasets.order import balanced_order
from scc_core.errors import SccBenchError, UserError


@dataclass(frozen=True, repr=False)
class DatasetNames:
    """The names of a dataset, and what fixes where each sample stands in its order.

    Attributes:
        class_keys: what the data calls each class, in label order; the label as text where it has numbers.
        class_names: what prompts call each class, in label order.
        sample_names: what the data calls each sample, by its index.
        labels: ``(N,)`` int64, the class of every sample.
        images_name: the name of the images, which fixes the order.
    """

    class_keys: tuple[str, ...]
    class_names: tuple[str, ...]
    sample_names: tuple[str, ...]
    labels: Labels
    images_name: str

    def order(self) -> npt.NDArray[np.int64]:
        """Return the index of the sample at each position of the dataset's fixed order, ``(N,)`` int64."""
        return balanced_order(self.images_name, self.labels)


def names_of(name: str, dataset: Dataset) -> DatasetNames:
    """Ask a dataset for all of its names; no image is asked for.

    Args:
        name: of the dataset, as a grid writes it.
        dataset: may be of a user's own code.

    Raises:
        UserError: a name is no text, or there are not as many keys as classes.
    """
    class_names = tuple(dataset.class_names)
    given: object = dataset.class_keys
    if isinstance(given, str) or not isinstance(given, Iterable):
        _wrong(name, f"class_keys are {given!r}, expected a list of texts")
    keys = tuple(given) or tuple(map(str, range(len(class_names))))
    if len(keys) != len(class_names) or not all(isinstance(key, str) for key in keys):
        _wrong(name, f"class_keys are {len(keys)} values, expected a text for each of the {len(class_names)} classes")
    return DatasetNames(keys, class_names, tuple(_sample_names(name, dataset)), dataset.labels, dataset.images_name)


def _sample_names(name: str, dataset: Dataset) -> Iterator[str]:
    for index in range(len(dataset)):
        try:
            found = dataset.sample_name(index)
        except SccBenchError:
            raise
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise UserError(f"dataset {name!r} gives no name of sample {index}: {reason}") from error
        if not isinstance(found, str):
            _wrong(name, f"sample_name({index}) is {found!r}, expected a text")
        yield found


def _wrong(name: str, reason: str) -> NoReturn:
    raise UserError(f"dataset {name!r} breaks the contract of datasets: {reason}")
