"""What lies between a dataset's files and its prompts: class by class, with what a reader should doubt of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from scc_core.datasets import Dataset
from scc_core.errors import shown
from scc_core.models.prompt_tokens import PromptTokens, doubt_prompts, longest_prompts

_SHOWN = 3


@dataclass(frozen=True)
class ClassLine:
    """A class as the data and as the prompts have it.

    Attributes:
        label: its number.
        key: what the data calls it.
        name: what prompts call it.
        prompt: the first of its prompts.
        tokens: of the longest of its prompts, where nothing is cut; the most over the models, None if none tells.
        images: how many there are.
    """

    label: int
    key: str
    name: str
    prompt: str
    tokens: int | None
    images: int


@dataclass(frozen=True)
class Outline:
    """The classes of a dataset in label order, and warnings about the dataset, one line each."""

    classes: tuple[ClassLine, ...]
    warnings: tuple[str, ...]


def outline(dataset: Dataset, models: Mapping[str, PromptTokens]) -> Outline:
    """Describe a dataset as ``models``, by their names, read its prompts.

    Raises:
        UserError: an image that is looked at cannot be read.
    """
    prompts = dataset.prompts()
    longest = {name: longest_prompts(tokens, prompts) for name, tokens in models.items()}
    most = np.max(list(longest.values()), axis=0).tolist() if longest else [None] * len(prompts)
    images = np.bincount(dataset.labels, minlength=len(prompts)).tolist()
    keys, names = dataset.class_keys or dataset.class_names, dataset.class_names
    rows = zip(keys, names, prompts.values(), most, images, strict=True)
    classes = (
        ClassLine(label, key, name, rendered[0], *rest) for label, (key, name, rendered, *rest) in enumerate(rows)
    )
    said: dict[str, list[str]] = {}
    for name, tokens in models.items():
        for line in doubt_prompts(tokens, prompts, longest[name]):
            said.setdefault(line, []).append(name)
    of_models = (f"with {', '.join(names)}, {line}" for line, names in said.items())
    return Outline(tuple(classes), (*dataset.doubts, *of_models))


def describe_outlines(outlines: Mapping[str, Outline]) -> Iterator[str]:
    """Yield one line per dataset with its first classes: key, name, prompt, tokens and images."""
    for dataset, found in outlines.items():
        shown_classes = "; ".join(map(_describe_class, found.classes[:_SHOWN]))
        more = len(found.classes) - _SHOWN
        rest = f"; and {more:,} more: sccbench doctor --dataset {dataset}" if more > 0 else ""
        yield f"dataset {dataset}, {len(found.classes):,} classes: {shown_classes}{rest}"


def _describe_class(line: ClassLine) -> str:
    key = "" if line.key == line.name else f"{shown(line.key)} is "
    tokens = "" if line.tokens is None else f", {line.tokens} tokens"
    return f"{key}{shown(line.name)}, {shown(line.prompt)}{tokens}, {line.images:,} images"
