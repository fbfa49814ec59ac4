"""What fixes the models and datasets of a measurement, from the grid to the worker; importing this loads no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scc_core.datasets import LeftOut


@dataclass(frozen=True)
class ModelSpec:
    """A model as the grid names it, with the SHA-256 of its weights; what its card says is not part of the key."""

    name: str
    digest: str
    demonstration: bool = False
    family: str | None = None


@dataclass(frozen=True)
class DatasetSpec:
    """A dataset with everything that fixes its samples and prompts.

    Attributes:
        name: as the grid names it.
        version: the dataset's own version string.
        split: the split that is measured.
        order: version of the fixed, class-balanced sample order.
        preprocessing: ``native`` or ``paper``.
        prompts: SHA-256 of class names and rendered prompts.
        classes: number of classes.
        size: number of samples in all; not part of the key.
        left_out: what lies beside the samples; not part of the key, but what it takes from the samples is.
        warnings: what a reader should doubt of its classes and prompts, as lines; not part of the key.
    """

    name: str
    version: str
    split: str
    order: str
    preprocessing: str
    prompts: str
    classes: int
    size: int
    demonstration: bool = False
    left_out: tuple[LeftOut, ...] = ()
    warnings: tuple[str, ...] = ()

    def specification(self) -> dict[str, object]:
        """Return what enters a cell's key."""
        keys = ("name", "version", "split", "order", "preprocessing", "prompts")
        return {key: getattr(self, key) for key in keys}
