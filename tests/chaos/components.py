"""What the chaos runs measure: many tiny images, cheap defenses, one of which the test can hold up."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from scc_core.components.parameters import parameter
from scc_core.datasets import Dataset
from scc_core.defenses import Defense
from tests.chaos.turnstile import Turnstile
from tests.components import FOLDER, NoiseImages

IMAGES = 2_500
FULL_ONCE = "full-once"
"""This file's absence makes the next batch run out of memory."""


class ManyImages(NoiseImages):
    """2,500 fixed random images of four classes."""

    def __init__(self) -> None:
        super().__init__()
        self.card = replace(self.card, name="tests.chaos.components:many_images")
        self.labels = np.arange(IMAGES, dtype=np.int64) % 4


def many_images() -> Dataset:
    return ManyImages()


@dataclass(frozen=True)
class Rolled(Defense):
    """Moves the image to the right, and what leaves it enters on the left."""

    pixels: int = parameter(1, help="how far", minimum=0)

    def classify(self, model, images, noise):
        return model(images.roll(self.pixels, -1))


@dataclass(frozen=True)
class Counted(Defense):
    """Passes the turnstile of the test."""

    def classify(self, model, images, noise):
        Turnstile(Path(os.environ[FOLDER])).go_through(len(images))
        return model(images)


@dataclass(frozen=True)
class FullOnce(Defense):
    """Raises torch's own error the first time that it is used anywhere, as a full GPU does."""

    def classify(self, model, images, noise):
        try:
            (Path(os.environ[FOLDER]) / FULL_ONCE).touch(exist_ok=False)
        except FileExistsError:
            return model(images)
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
