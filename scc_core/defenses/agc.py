"""Adaptive geodesic correction (AGC): Li et al., arXiv 2605.15584."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from scc_core.components.parameters import parameter
from scc_core.cost import Cost
from scc_core.defenses.base import Defense, DefenseCost, Gradients
from scc_core.defenses.registry import defenses
from scc_core.defenses.transforms.warping import perspective, warp
from scc_core.models.base import ZeroShotModel
from scc_core.noise import Noise

_INWARDS = ((1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (1.0, -1.0))
_EPSILON = 1e-8


@defenses.register("agc")
@dataclass(frozen=True)
class AGC(Defense):
    """Move the image's embedding along the sphere towards the mean embedding of augmented views; no gradients.

    With unit embeddings ``u`` of the image and ``u_i`` of the views, the anchor ``a`` is the normalised mean of ``u_i``
    and ``u`` turns towards it by ``beta`` times the angle between them, where
    ``beta = beta_clean + (beta_adversarial - beta_clean) outlierness^0.9 trust``,
    ``outlierness = mean_i(1 - cos(u_i, u))`` and ``trust = (mean_{i != j} cos(u_i, u_j) + 1) / 2``, both in [0, 1].
    A beta above 1 goes beyond the anchor.

    The views are random perspective warps of the image as it is classified, as in the published code, which warps the
    file's image before resizing it. That code has two defaults for ``beta_adversarial``, 2.4 in the function and 2.25
    in its caller, which wins. Its bicubic kernel (Pillow's) is a little sharper than this one (torch's).
    """

    gradients: ClassVar[tuple[Gradients, ...]] = ("unrolled",)
    randomised: ClassVar[bool] = True

    num_views: int = parameter(32, minimum=1, maximum=1024, help="augmented views")
    distortion: float = parameter(0.5, minimum=0.0, maximum=0.9, help="how far corners move, as a share of half a side")
    beta_clean: float = parameter(0.45, minimum=0.0, maximum=10.0, help="share of the angle where nothing looks wrong")
    beta_adversarial: float = parameter(2.25, minimum=0.0, maximum=10.0, help="share of the angle at full suspicion")
    gamma_outlierness: float = parameter(0.9, minimum=0.0, maximum=10.0, help="exponent of the outlierness")
    gamma_trust: float = parameter(1.0, minimum=0.0, maximum=10.0, help="exponent of the trust")

    def classify(self, model: ZeroShotModel, images: Tensor, noise: Noise) -> Tensor:
        """Return the logits of the corrected embedding."""
        own = functional.normalize(model.features(images), dim=-1)
        views = (self.view(images, noise.fold(f"view-{view}")) for view in range(self.num_views))
        others = functional.normalize(torch.stack([model.features(view) for view in views]), dim=-1)
        return model.logits(self.correct_embedding(own, others))

    def view(self, images: Tensor, noise: Noise) -> Tensor:
        """Return randomly distorted images: every corner moves inwards by up to ``distortion`` of half a side."""
        height, width = images.shape[-2:]
        size = torch.tensor((width, height), device=images.device, dtype=images.dtype)
        inwards = torch.tensor(_INWARDS, device=images.device)
        corners = (1 - inwards) / 2 * size + inwards * noise.uniform((4, 2), 0.0, self.distortion / 2) * size
        return warp(images, perspective(corners, height, width), mode="bicubic")

    def correct_embedding(self, own: Tensor, others: Tensor) -> Tensor:
        """Turn unit embeddings ``(B, D)`` towards the mean of the views' unit embeddings ``(V, B, D)``."""
        anchor = functional.normalize(others.mean(dim=0), dim=-1)
        cosine = (own * anchor).sum(dim=-1, keepdim=True)
        tangent = anchor - cosine * own
        length: Tensor = tangent.norm(dim=-1, keepdim=True)
        # The arc tangent keeps small angles that the arc cosine of a float32 loses.
        angle = self.step(own, others).unsqueeze(-1) * torch.atan2(length, cosine)
        return angle.cos() * own + angle.sin() * tangent / length.clamp_min(_EPSILON)

    def step(self, own: Tensor, others: Tensor) -> Tensor:
        """Return ``beta`` ``(B,)``."""
        outlierness = (1 - (others * own).sum(dim=-1)).mean(dim=0).clamp(_EPSILON, 1.0)
        trust = ((mean_pairwise_cosine(others) + 1) / 2).clamp(0.0, 1.0)
        suspicion = outlierness**self.gamma_outlierness * trust**self.gamma_trust
        return self.beta_clean + (self.beta_adversarial - self.beta_clean) * suspicion

    def nominal_cost(self, num_classes: int) -> DefenseCost:  # noqa: ARG002 - the classes play no part
        """Return the image's and the views' forwards."""
        return DefenseCost(classify=Cost(forwards=1 + self.num_views))


def mean_pairwise_cosine(units: Tensor) -> Tensor:
    """Return the mean cosine ``(B,)`` of different unit vectors out of ``(V, B, D)``; 1 for a single one."""
    count = len(units)
    if count == 1:
        return torch.ones_like(units[0, :, 0])
    # The squared length of the sum holds every pair twice, and every vector with itself.
    return (units.sum(dim=0).square().sum(dim=-1) - units.square().sum(dim=(0, 2))) / (count * (count - 1))
