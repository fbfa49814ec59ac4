"""A dataset of one's own, whole in one file: coloured squares on a dark ground, drawn when they are asked for.

Name it in a grid by its dotted path, from the folder that this file lies in:

    datasets: [my_dataset:ColouredSquares]

Images that lie in folders or are listed by a table need no code: see docs/own-data.md. The contract, in words:

- A dataset derives from :class:`scc_core.Dataset`. What a grid names is a class or a function without arguments that
  returns one.
- ``labels`` holds the class of every sample, ``class_names`` a name for each class in the order of the labels, and
  ``templates`` the prompts, each with one ``{}`` for the name.
- ``image(i)`` returns sample ``i`` as ``(H, W, 3)`` uint8 RGB, of any size. It is the same image for ever: sample ``i``
  keys the noise and the stored outcomes, so that images are neither shuffled nor augmented here.
- ``version`` is a text that changes whenever the images, their order or their labels change. It is part of the identity
  of every cell, and of the key of images that are kept on disk. Make it from the data wherever there are files.
- ``card`` says what a reader must know before believing a number.
- ``sample_name(i)`` and ``class_keys`` may say what the data calls sample ``i`` and its classes, such as the paths of
  files and of folders. They are stored with the results, so that these can be read without the data. Here there are no
  files, and samples are called by their numbers.
- Nothing here draws random numbers but from the sample's own index.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scc_core import Dataset, DatasetCard

COLOURS = {"red": (220, 40, 40), "green": (50, 165, 65), "blue": (45, 75, 215), "yellow": (240, 230, 50)}
SIZE, SAMPLES = 64, 400


class ColouredSquares(Dataset):
    """400 squares of four colours, each somewhere else on a dark ground."""

    def __init__(self) -> None:
        self.card = DatasetCard(
            name="my_dataset:ColouredSquares",
            summary="squares of four colours on a dark ground",
            task="colour of the square",
            modality="drawn",
            split="test",
            licence="Apache-2.0",
            source="docs/examples/my_dataset.py",
        )
        self.class_names = tuple(COLOURS)
        self.templates = ("a {} square.",)
        self.labels = np.arange(SAMPLES, dtype=np.int64) % len(COLOURS)
        self.version = "1"

    def image(self, index: int) -> npt.NDArray[np.uint8]:
        """Draw the square of sample ``index``."""
        generator = np.random.default_rng(index)
        side = int(generator.integers(20, 40))
        top, left = generator.integers(0, SIZE - side, 2)
        image = np.full((SIZE, SIZE, 3), 25, dtype=np.uint8)
        image[top : top + side, left : left + side] = COLOURS[self.class_names[self.labels[index]]]
        return image
