"""The registry of datasets: names and the functions that open them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from scc_core.components.code import code_of
from scc_core.components.registry import Registry
from scc_core.datasets.base import Dataset, DatasetCard
from scc_core.datasets.cards import ENSEMBLE, Description
from scc_core.datasets.files.published import PublishedEntry, open_described
from scc_core.datasets.user_datasets import make_dataset
from scc_core.errors import UserError, unknown_name
from scc_core.prompts import render_prompts

datasets: Registry[Callable[[], Dataset]] = Registry("dataset", "sccbench.datasets")

SCHEMES: dict[str, Callable[[str], Dataset]] = {}
"""Openers of the user's own data by the word before the colon: ``SCHEMES["folder"]("PATH")`` for ``folder:PATH``."""


@dataclass(frozen=True)
class DatasetFacts:
    """What is known of a dataset without an image, and of a published one without any of its files."""

    card: DatasetCard
    class_names: tuple[str, ...]
    templates: tuple[str, ...]
    ensemble: tuple[str, ...] = ()

    def prompts(self) -> Mapping[str, tuple[str, ...]]:
        """Return for every class name its rendered prompts, in label order."""
        return render_prompts(self.class_names, self.templates)


def open_dataset(name: str) -> Dataset:
    """Open the dataset called ``name``: a registered one, ``NAME@ensemble``, ``SCHEME:ADDRESS`` or a dotted path.

    ``NAME@ensemble`` is the same images with an ensemble of prompts.

    Raises:
        UserError: no such dataset.
        NotFetchedError: its files are missing; the text says what brings them.
    """
    found = _find(name)
    return open_described(found) if isinstance(found, Description) else make_dataset(name, found)


def dataset_facts(name: str) -> DatasetFacts:
    """Return card, class names and templates of the dataset called ``name``, without its files if it has a card.

    Raises:
        UserError: no such dataset.
    """
    found = _find(name)
    if isinstance(found, Description):
        return DatasetFacts(found.card, found.class_names, found.templates, found.ensemble)
    dataset = make_dataset(name, found)
    card = replace(dataset.card, images=len(dataset), classes=len(dataset.class_names))
    return DatasetFacts(card, dataset.class_names, dataset.templates)


def dataset_code(name: str, dataset: Dataset) -> str | None:
    """Return what identifies the code of a dataset of a user's own; None for another.

    A version that its class declares is its version already, and stands for its code, too.

    Raises:
        UserError: its code cannot be identified.
    """
    scheme, separator, _ = name.partition(":")
    # A number serves as a version, too: the keys of cells that were measured under one stay.
    if (separator and scheme in SCHEMES) or isinstance(vars(type(dataset)).get("version"), str | int):
        return None
    base = name.partition("@")[0]
    return code_of(f"dataset {name!r}", datasets.get(base), datasets.home(base), dataset)


def _find(name: str) -> Description | Callable[[], Dataset]:
    scheme, separator, address = name.partition(":")
    if separator and scheme in SCHEMES:
        return lambda: SCHEMES[scheme](address)
    base, separator, prompts = name.partition("@")
    entry = datasets.get(base)
    description = entry.description if isinstance(entry, PublishedEntry) else None
    if not separator:
        return description or entry
    if description is None or not description.ensemble:
        raise UserError(f"dataset {base!r} has no other prompts than its own; {name!r} asks for {prompts!r}")
    if prompts != ENSEMBLE:
        raise unknown_name(f"prompts of dataset {base!r}:", prompts, [ENSEMBLE])
    return description.with_ensemble()
