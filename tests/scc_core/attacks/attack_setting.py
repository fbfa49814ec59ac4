"""What the attacks' tests share: a linear boundary with a known distance, and the setting of the oracle."""

from __future__ import annotations

from typing import NamedTuple

import torch
from pyautoattack.fab_pt import FABAttack_PT
from torch import Tensor

from scc_core.models.base import ZeroShotModel
from scc_core.noise import Noise
from tests.scc_core.conftest import ConvTower, LinearTower, drawn, prompts

EPSILON = 4 / 255


class Setting(NamedTuple):
    """A model with images, their labels and noise."""

    model: ZeroShotModel
    pixels: Tensor
    labels: Tensor
    noise: Noise

    def robust(self, images: Tensor) -> int:
        """Count the images that are still classified correctly."""
        with torch.no_grad():
            return int((self.model(images).argmax(dim=1) == self.labels).sum())


def oracle_setting() -> Setting:
    """Return a small network and 200 images, 10 of which it misclassifies; about a third survive 4/255."""
    model = ZeroShotModel(ConvTower(), prompts(4))
    pixels = drawn(torch.rand, 200, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        labels = model(pixels).argmax(dim=1)
    labels[:10] = (labels[:10] + 1) % 4
    return Setting(model, pixels, labels, Noise(0, torch.arange(200)))


def correct_setting(count: int = 12) -> Setting:
    """Return the first images of the oracle's setting that are classified correctly."""
    model, pixels, labels, _ = oracle_setting()
    rows = slice(10, 10 + count)
    return Setting(model, pixels[rows], labels[rows], Noise(3, torch.arange(100, 100 + count)))


def linear_setting() -> tuple[Setting, Tensor, Tensor]:
    """Return two classes parted by the plane ``w . (x - 0.5) = 0.5``, ``w``, and the L-inf distances to the plane.

    The large common bias makes the logits, which are cosines, nearly linear. The 12 images are of the first class and
    lie far from the edges of the box.
    """
    generator = torch.Generator().manual_seed(5)
    direction = drawn(torch.randn, 192, generator=generator)
    tower = LinearTower(torch.stack([direction, torch.zeros(192)]), bias=torch.tensor([19.5, 20.0]), scale=30.0)
    pixels = 0.4 + 0.2 * drawn(torch.rand, 200, 3, 8, 8, generator=generator)
    excess = (pixels - 0.5).flatten(1) @ direction - 0.5
    rows = (excess > 0.1).nonzero().squeeze(-1)[:12]
    setting = Setting(
        ZeroShotModel(tower, prompts(2)), pixels[rows], torch.zeros(12, dtype=torch.long), Noise(0, torch.arange(12))
    )
    return setting, direction.reshape(3, 8, 8), excess[rows] / direction.abs().sum()


def published_fab(setting: Setting, epsilon: float, num_steps: int) -> Tensor:
    """Return the images of the published FAB-T, against all three wrong classes."""
    oracle = FABAttack_PT(setting.model, eps=epsilon, targeted=True, n_iter=num_steps, n_target_classes=3)
    return oracle.perturb(setting.pixels, setting.labels)
