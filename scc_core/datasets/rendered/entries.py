"""The embedded test sets by name; what renders them is imported when one is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scc_core.datasets.base import Dataset

DATASET_NAMES = (
    "demo/shapes",
    "demo/colours",
    "demo/compose",
    "demo/digits",
    "demo/photos",
    "phantom/chest-xray",
    "phantom/histology",
    "phantom/blood-smear",
    "phantom/fundus",
    "phantom/oct",
)


def make_dataset(name: str) -> Dataset:
    """Make one of :data:`DATASET_NAMES`."""
    # `scc_core.datasets` imports this module to register the sets, and what renders them imports `scc_core.datasets`.
    from scc_core.datasets.rendered.datasets import FACTORIES

    return FACTORIES[name]()


EMBEDDED_DATASETS: Mapping[str, Callable[[], Dataset]] = {name: partial(make_dataset, name) for name in DATASET_NAMES}
