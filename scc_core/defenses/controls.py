"""No defense, and the trivial transformations that every defense has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional

from scc_core.attacks.base import random_start
from scc_core.components.parameters import PIXEL, parameter
from scc_core.defenses.base import Defense, Gradients
from scc_core.defenses.registry import defenses
from scc_core.models.base import ZeroShotModel
from scc_core.noise import Noise


@defenses.register("none")
@dataclass(frozen=True)
class NoDefense(Defense):
    """The undefended model."""

    gradients: ClassVar[tuple[Gradients, ...]] = ("unrolled",)

    def correct(self, model: ZeroShotModel, pixels: Tensor, noise: Noise) -> Tensor:  # noqa: ARG002
        """Return the images as they are."""
        return pixels


@defenses.register("random-noise")
@dataclass(frozen=True)
class RandomNoise(Defense):
    """Classify the image plus one uniform draw: the start of TTC without its counterattack (RN, arXiv 2503.03613).

    It draws the very noise that ``ttc`` and ``scc`` start from, so that the three are compared on the same draw.
    """

    gradients: ClassVar[tuple[Gradients, ...]] = ("unrolled",)
    randomised: ClassVar[bool] = True
    control: ClassVar[bool] = True

    epsilon: float = parameter(4 / 255, minimum=0.0, maximum=1.0, unit=PIXEL, help="half-width of the uniform noise")

    def classify(self, model: ZeroShotModel, images: Tensor, noise: Noise) -> Tensor:
        """Return the logits of the noisy image."""
        return model(random_start(images, self.epsilon, noise))


@defenses.register("flip")
@dataclass(frozen=True)
class Flip(Defense):
    """Classify the horizontally mirrored image."""

    gradients: ClassVar[tuple[Gradients, ...]] = ("unrolled",)
    control: ClassVar[bool] = True

    def classify(self, model: ZeroShotModel, images: Tensor, noise: Noise) -> Tensor:  # noqa: ARG002
        """Return the logits of the mirrored image."""
        return model(images.flip(-1))


@defenses.register("shift")
@dataclass(frozen=True)
class Shift(Defense):
    """Classify the image moved by a few pixels; the uncovered edge repeats the border."""

    gradients: ClassVar[tuple[Gradients, ...]] = ("unrolled",)
    control: ClassVar[bool] = True

    right: int = parameter(1, minimum=0, maximum=64, help="pixels moved to the right")
    down: int = parameter(2, minimum=0, maximum=64, help="pixels moved down")

    def classify(self, model: ZeroShotModel, images: Tensor, noise: Noise) -> Tensor:  # noqa: ARG002
        """Return the logits of the shifted image."""
        height, width = images.shape[-2:]
        padded = functional.pad(images, (self.right, 0, self.down, 0), mode="replicate")
        return model(padded[..., :height, :width])
