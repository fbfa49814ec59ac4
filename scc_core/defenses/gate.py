"""The model that measures a gate's ratio when it is not the victim itself."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from scc_core.components.parameters import MODEL, parameter
from scc_core.errors import UserError
from scc_core.models import VisionLanguageModel, ZeroShotModel, get_model


def gate_parameter() -> str | None:
    """Declare the parameter ``gate_model``."""
    declared: str | None = parameter(
        None,
        unit=MODEL,
        help="model whose image tower measures the gate's ratio (the original CLIP of a fine-tuned victim)",
    )
    return declared


def check_gate_model(name: str | None) -> None:
    """Refuse a name that no model has, without loading anything.

    Raises:
        UserError: no such model; the text names what exists.
    """
    if name is None:
        return
    try:
        get_model(name)
    except UserError as error:
        raise UserError(f"gate_model: {error}") from None


def gate_ratio(model: ZeroShotModel, name: str, pixels: Tensor, noisy: Tensor) -> Tensor:
    """Return ``||f(noisy) - f(pixels)|| / ||f(pixels)||`` ``(B,)`` with the image tower ``f`` of the model ``name``.

    The tower is loaded once per process and device; its passes count like the victim's own.

    Raises:
        UserError: the two models take images of different sizes.
    """
    tower = model.model if name == model.model.name else _tower(name, model.model.device)
    if tower.image_size != model.model.image_size:
        raise UserError(
            f"gate_model {name!r} takes images of {tower.image_size} pixels, but the model {model.model.name!r} "
            f"takes {model.model.image_size}; choose a gate_model of the same size"
        )
    anchor = model.features(pixels, tower)
    ratio: Tensor = (model.features(noisy, tower) - anchor).norm(dim=-1) / anchor.norm(dim=-1)
    return ratio


@cache
def _tower(name: str, device: torch.device) -> VisionLanguageModel:
    return get_model(name).load(device)
