"""Datasets from a user's own code: what they must offer, and one clear line where they do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from scc_core.datasets.base import Dataset, DatasetCard
from scc_core.errors import SccBenchError, UserError
from scc_core.prompts import render_prompts


def make_dataset(name: str, factory: Callable[[], Any]) -> Dataset:
    """Make a dataset and check what it says of itself; no image is asked for.

    Args:
        name: as a grid writes it.
        factory: a class or a function without arguments.

    Raises:
        UserError: it raises an exception, or what it makes breaks the contract of datasets; the text says how.
    """
    try:
        dataset = factory()
    except SccBenchError:
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(f"dataset {name!r} cannot be made without arguments: {reason}") from error
    if not isinstance(dataset, Dataset):
        raise UserError(
            f"dataset {name!r} is a {type(dataset).__name__}: name a class that derives from scc_core.Dataset, or a "
            "function without arguments that returns one"
        )
    check_dataset(name, dataset)
    return dataset


def check_dataset(name: str, dataset: Dataset) -> None:
    """Check card, version, class names, templates and labels.

    Raises:
        UserError: one of them is missing or none; the text says what it is.
    """

    def wrong(reason: str) -> NoReturn:
        raise UserError(f"dataset {name!r} breaks the contract of datasets: {reason}")

    asked = ("card", "version", "class_names", "templates", "labels")
    said: dict[str, Any] = {key: getattr(dataset, key, None) for key in asked}
    card, version, labels = said["card"], said["version"], said["labels"]
    if not isinstance(card, DatasetCard):
        wrong(f"card is {card!r}, expected a scc_core.DatasetCard")
    # A number serves, too: the keys of cells that were measured under one stay.
    if not isinstance(version, str | int) or version == "":
        wrong(f"version is {version!r}, expected a text that changes whenever the images or labels do")
    if said["class_names"] is None or said["templates"] is None:
        wrong("it has no class_names or no templates")
    try:
        render_prompts(said["class_names"], said["templates"])
    except UserError as error:
        wrong(str(error))
    keys = getattr(dataset, "class_keys", ())
    if keys and len(keys) != len(said["class_names"]):
        wrong(f"it has {len(keys)} class_keys, but {len(said['class_names'])} class_names")
    if not isinstance(labels, np.ndarray) or labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        array = isinstance(labels, np.ndarray)
        shown = f"an array {labels.shape} of {labels.dtype}" if array else f"a {type(labels).__name__}"
        wrong(f"labels are {shown}, expected a numpy array (N,) of int64")
    if not len(labels):
        wrong("it has no samples")
    if not 0 <= labels.min() <= labels.max() < len(said["class_names"]):
        names = len(said["class_names"])
        wrong(f"labels lie in [{labels.min()}, {labels.max()}], but there are {names} class names")
