"""What a text tower reads of prompts: their tokens, of which there is a largest number."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from scc_core.errors import listed, shown
from scc_core.models.registry import ModelEntry
from scc_core.prompts import plain_name

_BATCH = 1024
_SHOWN = 3
_LONGEST = 4096
"""What is longer is no prompt, and counting it on would take memory."""


@dataclass(frozen=True)
class PromptTokens:
    """The tokens of a model's prompts.

    Attributes:
        tokenize: maps a list of ``N`` texts and a context length ``L`` to ``(N, L)`` tokens; longer texts are cut, and
            shorter ones filled with a token that marks no text.
        context_length: of the model.
    """

    tokenize: Callable[[list[str], int], Any]
    context_length: int

    def read(self, texts: Sequence[str]) -> Iterator[bytes]:
        """Yield what the model reads of every text: its tokens, cut and filled to the context length, as bytes."""
        for part in _batches(texts):
            yield from (row.tobytes() for row in np.asarray(self.tokenize(part, self.context_length)))

    def lengths(self, texts: Sequence[str]) -> Iterator[int]:
        """Yield the number of tokens that every text has where nothing is cut, with the marks of start and end."""
        for part in _batches(texts):
            room = min(_LONGEST, max(map(_most_tokens, part)))
            empty, *rows = np.asarray(self.tokenize(["", *part], room))
            # Where the mark of the end also fills the rest, as SigLIP's does, it is counted once.
            marks = int((empty == empty[-1]).all())
            for row in rows:
                text = np.flatnonzero(row != row[-1])
                yield (int(text[-1]) + 1 if len(text) else 0) + marks


def prompt_tokens(entry: ModelEntry) -> PromptTokens | None:
    """Return how a model reads prompts, without its weights; None if it does not say, as a user's own model does not.

    Raises:
        UserError: its files are incomplete, or not on this machine.
    """
    told: Callable[[], PromptTokens] | None = getattr(entry, "prompt_tokens", None)
    return None if told is None else told()


def longest_prompts(tokens: PromptTokens, prompts: Mapping[str, Sequence[str]]) -> list[int]:
    """Return for every class, in label order, the number of tokens of its longest prompt where nothing is cut.

    Counted are the prompt with the most bytes, and every other that may have more tokens than the model reads.
    """
    counted = []
    for rendered in prompts.values():
        most = {text: _most_tokens(text) for text in rendered}
        longest = max(most, key=most.__getitem__)
        counted.append([text for text in most if text == longest or most[text] > tokens.context_length])
    lengths = tokens.lengths(list(chain.from_iterable(counted)))
    return [max(next(lengths) for _ in texts) for texts in counted]


def doubt_prompts(tokens: PromptTokens, prompts: Mapping[str, Sequence[str]], longest: Sequence[int]) -> Iterator[str]:
    """Yield a line about prompts that are cut, and about classes whose prompts are the same tokens.

    Args:
        tokens: of the model.
        prompts: by class, in label order.
        longest: what :func:`longest_prompts` returned.
    """
    names = [plain_name(key) for key in prompts]
    cut = [label for label, length in enumerate(longest) if length > tokens.context_length]
    if cut:
        worst_first = sorted(cut, key=longest.__getitem__, reverse=True)
        told = ", ".join(f"{shown(names[label])} has {longest[label]:,}" for label in worst_first[:_SHOWN])
        yield (
            f"prompts of {len(cut):,} classes are longer than the {tokens.context_length} tokens that its text tower "
            f"reads and are cut: {told}{f' and {len(cut) - _SHOWN:,} more' if len(cut) > _SHOWN else ''}"
        )
    # Classes of the same name are told apart by no model; the dataset's own doubts say so.
    distinct: dict[tuple[str, ...], int] = {}
    for label, rendered in enumerate(prompts.values()):
        distinct.setdefault(tuple(rendered), label)
    # Most classes differ in their first prompts already.
    alike = [group for some in _same(tokens, distinct, 1) for group in _same(tokens, some, None)]
    if alike:
        more = f", and so are {len(alike) - 1:,} more groups of classes" if len(alike) > 1 else ""
        labels = list(alike[0].values())
        which = f"{listed(names[label] for label in labels)} (labels {listed(labels)})"
        yield f"the prompts of classes {which} are the same tokens{more}: no image can tell them apart"


def _same(
    tokens: PromptTokens, labels: Mapping[tuple[str, ...], int], count: int | None
) -> list[dict[tuple[str, ...], int]]:
    """Return the groups of classes, label by prompts, whose first ``count`` prompts, or all, are the same tokens."""
    rows = tokens.read([text for rendered in labels for text in rendered[:count]])
    groups: dict[tuple[bytes, ...], dict[tuple[str, ...], int]] = {}
    for rendered, label in labels.items():
        groups.setdefault(tuple(next(rows) for _ in rendered[:count]), {})[rendered] = label
    return [group for group in groups.values() if len(group) > 1]


def _most_tokens(text: str) -> int:
    """Return a number of tokens that no tokenizer exceeds: one for each byte, and a few marks."""
    return 8 + len(unicodedata.normalize("NFKC", text).encode())


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(texts), _BATCH):
        yield list(texts[start : start + _BATCH])
