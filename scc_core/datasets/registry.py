"""The registry of datasets: names and the functions that open them."""

from __future__ import annotations

from collections.abc import Callable

from scc_core.datasets.base import Dataset
from scc_core.registry import Registry

datasets: Registry[Callable[[], Dataset]] = Registry("dataset", "sccbench.datasets")


def open_dataset(name: str) -> Dataset:
    """Open the dataset called ``name``.

    Raises:
        UserError: no such dataset, or its files are missing.
    """
    return datasets.get(name)()
