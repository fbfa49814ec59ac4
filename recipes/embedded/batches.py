"""Training batches: images from the pool with a random shift and gain, and captions of some of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recipes.embedded.captions import draw_caption
from recipes.embedded.pool import RollingPool
from recipes.embedded.recipes import Recipe
from scc_core.datasets.rendered.facts import FactRow, agreement, encode_facts
from scc_core.datasets.rendered.seeding import keyed_generator

MAX_SHIFT = 3
"""Largest random shift of a training image, in pixels."""


class Batch(NamedTuple):
    """One training step's data.

    Attributes:
        images: ``(N, 3, 64, 64)`` float32, normalised.
        tokens: ``(T, L)`` int64, the captions.
        rows: ``(N, A)`` int64 fact rows.
        true: ``(N, T)`` bool, which captions are true of which images.
    """

    images: Tensor
    tokens: Tensor
    rows: Tensor
    true: Tensor


class BatchMaker:
    """Draws batches from a pool: images with a random shift and gain, captions of some of them."""

    def __init__(self, recipe: Recipe, pool: RollingPool, tokenizer: Callable[[list[str]], Tensor], seed: int) -> None:
        self._recipe = recipe
        self._pool = pool
        self._tokenizer = tokenizer
        self._rng = keyed_generator("training batches", recipe.name, seed)
        self._tokens: dict[str, Tensor] = {}
        settings = recipe.open_clip_config["preprocess_cfg"]
        self._mean = torch.tensor(settings["mean"])
        self._std = torch.tensor(settings["std"])

    def draw(self) -> Batch:
        """Draw one batch."""
        slots = self._pool.draw(self._rng, self._recipe.batch_size)
        rows = self._pool.rows[slots]
        tokens, caption_rows = self._captions([int(slot) for slot in slots[: self._recipe.num_captions]])
        true = torch.from_numpy(agreement(rows, caption_rows))
        return Batch(self._images(slots), tokens, torch.from_numpy(rows), true)

    def _captions(self, slots: list[int]) -> tuple[Tensor, FactRow]:
        facts = [self._pool.facts[slot] for slot in slots]
        drawn = [draw_caption(self._rng, fact, finding_share=self._recipe.finding_share) for fact in facts]
        different = list({caption.text: caption for caption in drawn}.values())
        tokens = torch.stack([self._tokenized(caption.text) for caption in different])
        return tokens, np.stack([encode_facts(caption.facts) for caption in different])

    def _tokenized(self, text: str) -> Tensor:
        if text not in self._tokens:
            self._tokens[text] = self._tokenizer([text])[0]
        return self._tokens[text]

    def _images(self, slots: npt.NDArray[np.int64]) -> Tensor:
        """Return ``(N, 3, 64, 64)`` in channels-last memory; edge pixels fill what a shift leaves empty."""
        parts = [self._shifted(self._pool.images[part]) for part in np.array_split(slots, 8)]
        pixels = torch.from_numpy(np.concatenate(parts)).float()
        gain = torch.from_numpy(self._rng.uniform(0.9 / 255.0, 1.1 / 255.0, (len(slots), 1, 1, 1))).float()
        return pixels.mul_(gain).sub_(self._mean).div_(self._std).permute(0, 3, 1, 2)

    def _shifted(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        size = images.shape[1]
        down, right = self._rng.integers(-MAX_SHIFT, MAX_SHIFT + 1, 2)
        rows = np.clip(np.arange(size) + down, 0, size - 1)
        columns = np.clip(np.arange(size) + right, 0, size - 1)
        shifted: npt.NDArray[np.uint8] = images[:, rows][:, :, columns]
        return shifted
