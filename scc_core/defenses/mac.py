"""Multi-view guided adaptive counterattack (MAC): "When CLIP sees more, it fights back harder", CVPR 2026."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from scc_core.attacks.base import project, random_start
from scc_core.components.parameters import DEVIATION, PIXEL, parameter
from scc_core.cost import Cost
from scc_core.defenses.base import Defense, DefenseCost, Gradients
from scc_core.defenses.low_pass import low_pass
from scc_core.defenses.registry import defenses
from scc_core.defenses.transforms.warping import affine, turn, warp
from scc_core.defenses.ttc import embedding_gradient
from scc_core.models.base import ZeroShotModel
from scc_core.noise import Noise

_LUMA = (0.299, 0.587, 0.114)


@defenses.register("mac")
@dataclass(frozen=True)
class MAC(Defense):
    """Counterattack augmented views of the image, each as strongly as it seems corrupted, and average their logits.

    Views are ``v_0 = x`` and ``v_i = T_i(x)``. Each has its own ``d_i``, which ascends ``||f(v_i + d_i) - f(v_i)||``
    by sign steps from a random start. Its corruption is ``c_i = ||f(T'_i(v_i)) - f(v_i)|| / ||f(v_i)||`` with another
    augmentation, and ``v_i + sigmoid((c_i - tau) / temperature) d_i`` is classified.

    Neither the code nor the paper was available, only summaries, which give the number of views and steps, the radius,
    tau and the temperature. The step (a quarter of the radius) and the strength of the augmentations (affine, colour
    jitter, blur, noise) are this project's. The views' corrections cannot be one corrected image; they are made while
    classifying, where a gradient passes over them as over a constant (BPDA).
    """

    gradients: ClassVar[tuple[Gradients, ...]] = ("bpda",)
    randomised: ClassVar[bool] = True

    epsilon: float = parameter(8 / 255, minimum=0.0, maximum=1.0, unit=PIXEL, help="L-inf radius of the counterattack")
    step_size: float = parameter(2 / 255, minimum=1e-6, maximum=1.0, unit=PIXEL, help="length of a step")
    num_steps: int = parameter(4, minimum=1, maximum=10_000, help="number of counterattack steps")
    num_views: int = parameter(2, minimum=1, maximum=256, help="the image and augmented views")
    tau: float = parameter(0.7, minimum=0.0, maximum=math.inf, help="corruption at which the gate is half open")
    temperature: float = parameter(0.01, minimum=1e-6, maximum=1e6, help="softness of the gate")
    rotation: float = parameter(10.0, minimum=0.0, maximum=180.0, help="largest turn of a view, in degrees")
    translation: float = parameter(0.1, minimum=0.0, maximum=1.0, help="largest shift, as a share of the image's side")
    zoom: float = parameter(0.1, minimum=0.0, maximum=0.9, help="largest change of size, as a share")
    jitter: float = parameter(0.2, minimum=0.0, maximum=1.0, help="largest change of brightness, contrast, saturation")
    blur: float = parameter(1.0, minimum=0.0, maximum=100.0, help="largest deviation of the blur, in pixels of width")
    sigma: float = parameter(
        0.02, minimum=0.0, maximum=1.0, unit=DEVIATION, help="deviation of the Gaussian noise, in pixels"
    )

    def classify(self, model: ZeroShotModel, images: Tensor, noise: Noise) -> Tensor:
        """Return the mean logits of the counterattacked views."""
        return torch.stack([model(view) for view in self.counterattacked_views(model, images, noise)]).mean(dim=0)

    def counterattacked_views(self, model: ZeroShotModel, images: Tensor, noise: Noise) -> list[Tensor]:
        """Return the views ``(B, 3, H, W)``, each with its weighted correction."""
        views = []
        for index in range(self.num_views):
            own = noise.fold(f"view-{index}")
            view = self.augment(images, own.fold("augment")) if index else images
            views.append(view + self.correction(model, view, own))
        return views

    @torch.no_grad()
    def correction(self, model: ZeroShotModel, view: Tensor, noise: Noise) -> Tensor:
        """Return ``w d`` ``(B, 3, H, W)`` of a view ``(B, 3, H, W)``."""
        anchor = model.features(view)
        images = random_start(view, self.epsilon, noise)
        for _ in range(self.num_steps):
            gradient, _ = embedding_gradient(model, images, anchor)
            images = project(images + self.step_size * gradient.sign(), view, self.epsilon)
        moved = model.features(self.augment(view, noise.fold("corruption"))) - anchor
        corruption = moved.norm(dim=-1) / anchor.norm(dim=-1)
        weight = torch.sigmoid((corruption - self.tau) / self.temperature)
        return weight.reshape(-1, 1, 1, 1) * (images - view)

    def augment(self, images: Tensor, noise: Noise) -> Tensor:
        """Return randomly turned, moved, enlarged, recoloured, blurred and noisy images in [0, 1]."""
        size = images.shape[-1]
        angle, right, down, zoom, *colours, blur = noise.uniform((8,), -1.0, 1.0).unbind(-1)
        shift = self.translation * size
        one, zero = torch.ones_like(right), torch.zeros_like(right)
        matrices = turn(self.rotation * angle, size, size, 1 + self.zoom * zoom)
        moved = warp(images, matrices @ affine(one, zero, shift * right, zero, one, shift * down))
        recoloured = recolour(moved, *(1 + self.jitter * colour for colour in colours))
        # A blur of deviation s multiplies the spectrum by a Gaussian of radius size / (2 pi s).
        radius = size / (math.pi * self.blur * (1 + blur)).clamp_min(1e-6)
        blurred = low_pass(recoloured, radius.reshape(-1, 1, 1, 1))
        pixel_noise = noise.fold("pixels").normal(tuple(images.shape[1:]))
        return (blurred + self.sigma * pixel_noise).clamp(0.0, 1.0)

    def nominal_cost(self, num_classes: int) -> DefenseCost:  # noqa: ARG002 - the classes play no part
        """Return every view's anchor, steps, corruption and prediction; a gradient passes the predictions only."""
        classify = Cost(forwards=self.num_views * (self.num_steps + 3), backwards=self.num_views * self.num_steps)
        return DefenseCost(classify=classify, differentiated=self.num_views)


def recolour(images: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor) -> Tensor:
    """Scale brightness, the distance to the mean grey, and the distance to every pixel's grey, by ``(B,)`` factors."""
    luma = torch.tensor(_LUMA, device=images.device).reshape(3, 1, 1)
    images = images * brightness.reshape(-1, 1, 1, 1)
    mean = (images * luma).sum(dim=1, keepdim=True).mean(dim=(-2, -1), keepdim=True)
    images = mean + contrast.reshape(-1, 1, 1, 1) * (images - mean)
    grey = (images * luma).sum(dim=1, keepdim=True)
    return (grey + saturation.reshape(-1, 1, 1, 1) * (images - grey)).clamp(0.0, 1.0)
