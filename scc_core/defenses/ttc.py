"""Test-Time Counterattack (TTC): Xing et al., CVPR 2025, arXiv 2503.03613."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from scc_core.attacks.base import input_gradient, project, random_start
from scc_core.components.parameters import PIXEL, parameter
from scc_core.cost import Cost
from scc_core.defenses.base import Defense, DefenseCost, Gradients
from scc_core.defenses.gate import check_gate_model, gate_parameter, gate_ratio
from scc_core.defenses.registry import defenses
from scc_core.models.base import ZeroShotModel
from scc_core.noise import Noise


def counterattack(
    model: ZeroShotModel,
    pixels: Tensor,
    noise: Noise,
    *,
    epsilon: float,
    step_size: float,
    num_steps: int,
    tau: float,
    beta: float,
    gate_model: str | None = None,
) -> Tensor:
    """Move images away from their own embedding, where they look falsely stable.

    With ``f`` the unnormalised image embedding and ``d_0`` a uniform draw of the ball, ascend
    ``||f(x + d) - f(x)||^2`` by sign steps. The gate measures ``r = ||f(x + d_0) - f(x)|| / ||f(x)||``: below ``tau``
    the result is the mean of ``d_0 .. d_n`` with weights proportional to ``exp(beta * step)``, otherwise ``d_0``.

    Args:
        model: the classifier whose image tower is used.
        pixels: ``(B, 3, H, W)`` float32 in [0, 1].
        noise: source of ``d_0``.
        epsilon: L-inf radius of the counterattack in [0, 1] pixel units.
        step_size: length of a step in the same units.
        num_steps: number of steps ``n``.
        tau: threshold of the gate.
        beta: how much later steps weigh.
        gate_model: name of the model whose image tower measures ``r``; None takes ``model``'s own.

    Returns:
        Counterattacked images ``(B, 3, H, W)`` in [0, 1], within ``epsilon`` of ``pixels``.
    """
    start = random_start(pixels, epsilon, noise)
    anchor = model.features(pixels)
    gradient, moved = embedding_gradient(model, start, anchor)
    ratio = moved / anchor.norm(dim=-1) if gate_model is None else gate_ratio(model, gate_model, pixels, start)
    stable = ratio < tau
    if not stable.any():
        return start
    weights = torch.softmax(beta * torch.arange(num_steps + 1, dtype=torch.float32), dim=0).tolist()
    images, mean = start, weights[0] * (start - pixels)
    # All images, also those that the gate leaves alone: none may change the shape in which the others are computed.
    for step, weight in enumerate(weights[1:], start=1):
        if step > 1:
            gradient, _ = embedding_gradient(model, images, anchor)
        images = project(images + step_size * gradient.sign(), pixels, epsilon)
        mean = mean + weight * (images - pixels)
    return torch.where(stable.reshape(-1, 1, 1, 1), (pixels + mean).clamp(0.0, 1.0), start)


def counterattack_cost(num_steps: int, gate_model: str | None) -> Cost:
    """Return what :func:`counterattack` costs an image: the anchor, the steps, and two passes of another gate model."""
    gate = 0 if gate_model is None else 2
    return Cost(forwards=1 + num_steps + gate, backwards=num_steps)


def embedding_gradient(model: ZeroShotModel, images: Tensor, anchor: Tensor) -> tuple[Tensor, Tensor]:
    """Return the gradient of ``||f(images) - anchor||^2`` in ``images``, and the shift's length ``(B,)``."""
    shift = torch.empty(0)

    def squared_shift(leaf: Tensor) -> Tensor:
        nonlocal shift
        squared = (model.features(leaf) - anchor).square().sum(dim=-1)
        shift = squared.detach().sqrt()
        return squared

    gradient = input_gradient(squared_shift, images)
    return gradient, shift


@defenses.register("ttc")
@dataclass(frozen=True)
class TTC(Defense):
    """Test-Time Counterattack: classify the counterattacked image (see :func:`counterattack`).

    For an adversarially fine-tuned victim the paper measures the gate's ratio with the original CLIP image tower: name
    it in ``gate_model``.
    """

    gradients: ClassVar[tuple[Gradients, ...]] = ("bpda",)
    randomised: ClassVar[bool] = True

    epsilon: float = parameter(4 / 255, minimum=0.0, maximum=1.0, unit=PIXEL, help="L-inf radius of the counterattack")
    step_size: float = parameter(1 / 255, minimum=1e-6, maximum=1.0, unit=PIXEL, help="length of a step")
    num_steps: int = parameter(2, minimum=1, maximum=10_000, help="number of counterattack steps")
    tau: float = parameter(
        0.2, minimum=0.0, maximum=math.inf, help="images whose embedding moves less than this are counterattacked"
    )
    beta: float = parameter(2.0, minimum=-100.0, maximum=100.0, help="weight exp(beta * step) of later steps")
    gate_model: str | None = gate_parameter()

    def __post_init__(self) -> None:
        super().__post_init__()
        check_gate_model(self.gate_model)

    def correct(self, model: ZeroShotModel, pixels: Tensor, noise: Noise) -> Tensor:
        """Return the counterattacked images."""
        return counterattack(
            model,
            pixels,
            noise,
            epsilon=self.epsilon,
            step_size=self.step_size,
            num_steps=self.num_steps,
            tau=self.tau,
            beta=self.beta,
            gate_model=self.gate_model,
        )

    def nominal_cost(self, num_classes: int) -> DefenseCost:  # noqa: ARG002 - the classes play no part
        """Return the passes of an image that the gate lets through, and of the prediction."""
        return DefenseCost(correct=counterattack_cost(self.num_steps, self.gate_model))
