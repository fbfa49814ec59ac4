"""A pool of rendered training images, so that rendering does not dominate training."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from recipes.embedded.streams import TrainingSample
from scc_core.datasets.rendered.canvas import SIZE
from scc_core.datasets.rendered.facts import ATTRIBUTES, FactRow, Facts, encode_facts


class RollingPool:
    """The latest ``size`` samples of a stream; each is drawn several times before newer ones replace it.

    Attributes:
        images: ``(size, 64, 64, 3)`` uint8.
        rows: ``(size, A)`` fact rows.
        facts: the same facts in words.
        num_rendered: how many samples of the stream have been rendered.
    """

    def __init__(self, stream: Callable[[int], TrainingSample], size: int) -> None:
        self._stream = stream
        self.images: npt.NDArray[np.uint8] = np.zeros((size, SIZE, SIZE, 3), dtype=np.uint8)
        self.rows: FactRow = np.zeros((size, len(ATTRIBUTES)), dtype=np.int64)
        self.facts: list[Facts] = [{}] * size
        self.num_rendered = 0
        self.refresh(size)

    def refresh(self, count: int) -> None:
        """Replace the ``count`` oldest samples by the next ones of the stream."""
        for index in range(self.num_rendered, self.num_rendered + count):
            sample, slot = self._stream(index), index % len(self.facts)
            self.images[slot], self.facts[slot] = sample.image, sample.facts
            self.rows[slot] = encode_facts(sample.facts)
        self.num_rendered += count

    def draw(self, rng: np.random.Generator, count: int) -> npt.NDArray[np.int64]:
        """Draw ``count`` different slots."""
        return rng.choice(len(self.facts), count, replace=False)
