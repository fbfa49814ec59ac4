"""Labelled images of one's own, as tensors, for an evaluation from Python."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from scc_core.errors import UserError
from scc_core.prompts import render_prompts


@dataclass(frozen=True, eq=False)
class Images:
    """Labelled images of one's own, as tensors.

    Attributes:
        pixels: ``(N, 3, S, S)`` float32 in [0, 1], of the size that the model takes; arrays of numpy become tensors.
        labels: ``(N,)`` int64, the class of each; arrays of numpy and lists become tensors.
        class_names: ``K`` names, in the order of the labels.
        templates: prompt templates with one ``{}`` each; several make a prompt ensemble.

    Raises:
        UserError: these are no labelled images.
    """

    pixels: Tensor
    labels: Tensor
    class_names: tuple[str, ...]
    templates: tuple[str, ...] = ("a photo of a {}.",)

    def __post_init__(self) -> None:
        pixels, labels = _tensor("pixels", self.pixels), _tensor("labels", self.labels)
        self.prompts()  # Names and templates that make no prompts are told here.
        if pixels.ndim != 4 or pixels.shape[1] != 3 or pixels.shape[2] != pixels.shape[3]:
            raise UserError(f"pixels have shape {tuple(pixels.shape)}, expected (N, 3, S, S)")
        if not pixels.is_floating_point() or not ((pixels >= 0) & (pixels <= 1)).all():
            raise UserError("pixels are not floating-point numbers in [0, 1]; divide 8-bit values by 255")
        if tuple(labels.shape) != (len(pixels),):
            raise UserError(f"labels have shape {tuple(labels.shape)}, expected ({len(pixels)},): one per image")
        if labels.is_floating_point() or labels.is_complex() or labels.dtype is torch.bool:
            raise UserError(f"labels are {labels.dtype}, expected whole numbers such as torch.int64")
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(self.class_names):
            raise UserError(
                f"labels lie in [{int(labels.min())}, {int(labels.max())}], but there are "
                f"{len(self.class_names)} class names"
            )
        checked = (pixels, labels.to(torch.int64), tuple(self.class_names), tuple(self.templates))
        for name, value in zip(("pixels", "labels", "class_names", "templates"), checked, strict=True):
            object.__setattr__(self, name, value)

    @property
    def name(self) -> str:
        """What results call the images."""
        return repr(self)

    def prompts(self) -> Mapping[str, tuple[str, ...]]:
        """Return for every class name its rendered prompts, in label order."""
        return render_prompts(self.class_names, self.templates)

    def __repr__(self) -> str:
        count, _, size, _ = self.pixels.shape
        return f"Images({count} of {size} x {size} pixels, {len(self.class_names)} classes)"


def _tensor(name: str, given: object) -> Tensor:
    try:
        return torch.as_tensor(given).detach()
    except (TypeError, ValueError, RuntimeError):
        raise UserError(f"{name} are a {type(given).__name__} that is no tensor of numbers") from None
