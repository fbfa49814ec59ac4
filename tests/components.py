"""A user's own model, datasets and defenses, named in test grids by dotted path and imported by real Ray workers."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from scc_core.components.parameters import parameter
from scc_core.datasets import Dataset, DatasetCard
from scc_core.defenses import Defense
from scc_core.errors import NotFetchedError
from scc_core.models import ModelCard
from tests.scc_core.conftest import ConvTower

FOLDER = "SCCBENCH_TEST_FOLDER"


class TinyTower(ConvTower):
    """A random convolution in float64, so that an image's embedding is the same in every batch on every processor."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel, self.head = self.kernel.double(), self.head.double()


class TinyEntry:
    """A model entry: a random convolution that needs no file."""

    card = ModelCard("tests.components:tiny", "random convolution", "convolution", 8, "none", "the tests")

    def digest(self) -> str:
        return "00" * 32

    def load(self, device: torch.device) -> ConvTower:
        tower = TinyTower()
        tower.name = self.card.name
        return tower


class MirroredTower(TinyTower):
    """Another model: the same convolution of the mirrored image."""

    def encode_image(self, pixels):
        return super().encode_image(pixels.flip(-1))


class MirroredEntry(TinyEntry):
    card = replace(TinyEntry.card, name="tests.components:mirrored")

    def digest(self) -> str:
        return "11" * 32

    def load(self, device: torch.device) -> ConvTower:
        return MirroredTower()


class LargeTower(TinyTower):
    """The same convolution of larger images."""

    def __init__(self) -> None:
        super().__init__()
        self.image_size = 16

    def encode_image(self, pixels):
        return super().encode_image(pixels[..., ::2, ::2])


class TightTower(TinyTower):
    """Raises torch's own error above twelve images, as a full GPU does."""

    def encode_image(self, pixels):
        if len(pixels) > 12:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return super().encode_image(pixels)


class TightEntry(TinyEntry):
    card = replace(TinyEntry.card, name="tests.components:tight")

    def digest(self) -> str:
        return "22" * 32

    def load(self, device: torch.device) -> ConvTower:
        tower = TightTower()
        tower.name = self.card.name
        return tower


class LargeEntry(TinyEntry):
    """A model of larger images."""

    def load(self, device: torch.device) -> ConvTower:
        return LargeTower()


class FarEntry(TinyEntry):
    """A model that has to be fetched first."""

    card = replace(TinyEntry.card, name="tests.components:far")

    def digest(self) -> str:
        raise NotFetchedError("no weights of tests.components:far here; `sccbench fetch models tests.components:far`")


class SlidesEntry(TinyEntry):
    """A model of pathology slides, whose name does not say so."""

    card = replace(TinyEntry.card, name="tests.components:slides", family="biomedical")


class MediumEntry(TinyEntry):
    """A general model with three letters of a medical one in its name."""

    card = replace(TinyEntry.card, name="tests.components:medium_clip")


tiny = TinyEntry()
slides = SlidesEntry()
medium_clip = MediumEntry()
far = FarEntry()
mirrored = MirroredEntry()
tight = TightEntry()
large = LargeEntry()


class NoiseImages(Dataset):
    """800 fixed random images of four classes."""

    def __init__(self) -> None:
        self.card = DatasetCard("tests.components:noise_images", "", "classification", "noise", "test", "none", "")
        self.class_names = ("0", "1", "2", "3")
        self.templates = ("class {}",)
        self.labels = np.arange(800, dtype=np.int64) % 4
        self.version = "1"

    def image(self, index):
        return np.random.default_rng(index).integers(0, 256, (8, 8, 3), dtype=np.uint8)


def noise_images() -> Dataset:
    return NoiseImages()


def far_images() -> Dataset:
    """A dataset whose size is not known without its files, which no program brings."""
    raise NotFetchedError("tests.components:far_images: ask the hospital for the folder")


class TwoClasses(NoiseImages):
    """The same images under two labels."""

    def __init__(self) -> None:
        super().__init__()
        self.class_names = ("0", "1")
        self.labels = self.labels % 2


def two_classes() -> Dataset:
    return TwoClasses()


@dataclass(frozen=True)
class Quantised(Defense):
    """Rounds pixels to 32 levels, and claims that its gradient, which is zero, is worth following."""

    gradients = ("unrolled",)

    def classify(self, model, images, noise):
        return model((images * 31).round() / 31)


@dataclass(frozen=True)
class Blur(Defense):
    """A control of the user's own, whose parameter decides whether it draws random numbers."""

    gradients = ("unrolled",)
    control = True

    noisy: bool = parameter(False, help="whether to add noise")

    @property
    def randomised(self) -> bool:
        return self.noisy

    def classify(self, model, images, noise):
        blurred = torch.nn.functional.avg_pool2d(images, 3, stride=1, padding=1, count_include_pad=False)
        return model((blurred + 0.01 * noise.normal(tuple(images.shape[1:]))) if self.noisy else blurred)


@dataclass(frozen=True)
class Idle(Defense):
    """Classifies the images as they are."""

    def classify(self, model, images, noise):
        return model(images)


@dataclass(frozen=True)
class Useless(Defense):
    """Gives logits that are finite, and so far apart that no margin is."""

    def classify(self, model, images, noise):
        return model(images).sign() * 3e38


@dataclass(frozen=True)
class Broken(Defense):
    """Raises on every image."""

    def classify(self, model, images, noise):
        raise RuntimeError("this defense is broken")


@dataclass(frozen=True)
class BreaksWhenTold(Defense):
    """Raises in a process whose environment says so."""

    def classify(self, model, images, noise):
        if os.environ.get("SCCBENCH_TEST_BREAK"):
            raise RuntimeError("told to break")
        return model(images)


@dataclass(frozen=True)
class BrokenOnce(Defense):
    """Raises the first time that it is used anywhere, as a component with a passing fault does."""

    def classify(self, model, images, noise):
        if _first_time("broken-once"):
            raise RuntimeError("a passing fault")
        return model(images)


@dataclass(frozen=True)
class KillsItsWorkerOnce(Defense):
    """Kills the process that computes it, the first time."""

    def classify(self, model, images, noise):
        if _first_time("killed-once"):
            os.kill(os.getpid(), signal.SIGKILL)
        return model(images)


@dataclass(frozen=True)
class KillsItsWorker(Defense):
    """Kills every process that computes it."""

    def classify(self, model, images, noise):
        os.kill(os.getpid(), signal.SIGKILL)
        return model(images)


@dataclass(frozen=True)
class WaitsForGate(Defense):
    """Notes its samples, then waits until the test opens the gate: a way to stop a run at a known place."""

    def classify(self, model, images, noise):
        folder = Path(os.environ[FOLDER])
        with (folder / f"waiting-{os.getpid()}").open("a") as log:
            log.write(" ".join(map(str, noise.sample_ids.tolist())) + "\n")
        with _fifo(folder / "gate") as gate:
            gate.read()
        return model(images)


@dataclass(frozen=True)
class HangsOnce(Defense):
    """Hangs the first time that it is used anywhere: it waits for a gate that nobody opens."""

    def classify(self, model, images, noise):
        folder = Path(os.environ[FOLDER])
        if _first_time("hung-once"):
            (folder / f"waiting-{os.getpid()}").touch()
            with _fifo(folder / "gate") as gate:
                gate.read()
        return model(images)


@contextmanager
def _fifo(path: Path) -> Iterator[object]:
    """Block until the test opens the named pipe for writing; a plain file, once the gate is open, does not block."""
    with path.open("rb") as pipe:
        yield pipe


def _first_time(name: str) -> bool:
    try:
        (Path(os.environ[FOLDER]) / name).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


@dataclass(frozen=True)
class LogsItsSamples(WaitsForGate):
    """Waits for the gate, then notes every sample that it classifies."""

    def classify(self, model, images, noise):
        answer = super().classify(model, images, noise)
        with (Path(os.environ[FOLDER]) / "classified").open("a") as log:
            log.write("".join(f"{sample}\n" for sample in noise.sample_ids.tolist()))
        return answer
