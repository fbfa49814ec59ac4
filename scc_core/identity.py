"""What fixes the models and datasets of a measurement, from the grid to the worker; importing this loads no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scc_core.datasets import DatasetNames, LeftOut

PROTOCOL_VERSION = 1
"""Raised whenever a change of the core changes predictions for an unchanged specification."""


@dataclass(frozen=True)
class ModelSpec:
    """A model as the grid names it, with the SHA-256 of its weights; what its card says is not part of the key.

    Attributes:
        code: identifies the code of a model of a user's own; None for one of scc-bench.
        version: of the numerics of a model of scc-bench.
    """

    name: str
    digest: str
    demonstration: bool = False
    family: str | None = None
    code: str | None = None
    version: int = 1

    def specification(self) -> dict[str, object]:
        """Return what enters a cell's key."""
        return {"name": self.name, "digest": self.digest, **_beyond(code=self.code, numerics=self.version)}


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
        names: of its classes and samples, to be stored; not part of the key. None where they are not known.
        code: identifies the code of a dataset of a user's own whose class declares no version; None for the others.
        numerics: version of what decodes and resizes its images.
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
    names: DatasetNames | None = field(default=None, compare=False, repr=False)
    code: str | None = None
    numerics: int = 1
    warnings: tuple[str, ...] = ()

    def specification(self) -> dict[str, object]:
        """Return what enters a cell's key."""
        keys = ("name", "version", "split", "order", "preprocessing", "prompts")
        return {key: getattr(self, key) for key in keys} | _beyond(code=self.code, numerics=self.numerics)


def _beyond(**parts: str | int | None) -> dict[str, object]:
    """Return the parts of a key that say more than that they are not there, or in their first version."""
    return {name: value for name, value in parts.items() if value not in (None, 1)}
