"""A defense of one's own, whole in one file: it replaces every pixel by the median of its neighbourhood.

Name it in a grid by its dotted path, from the folder that this file lies in:

    defenses: [none, my_defense:MedianFilter]

The contract, in words:

- A defense is a frozen dataclass that derives from :class:`scc_core.Defense`. Its fields are its parameters, each
  declared with :func:`scc_core.parameter`: a default, a range, a meaning. All of them enter the identity of a cell.
- It has two steps. ``correct`` changes the images; ``classify`` turns them into logits, and is differentiable in the
  images. Each may be left out: the first then changes nothing, the second asks the model.
- It never sees a label. What happens to an image never depends on the other images of its batch.
- All its randomness comes from the ``noise`` that it is given, and it says ``randomised = True`` if there is any.
- ``gradients`` says how an attacker who knows the defense may differentiate through it: ``"unrolled"`` if both steps
  are differentiable, ``"bpda"`` if the attacker has to take the correction for the identity.
- ``control = True`` marks a trivial transformation, which useful defenses have to beat.
- ``nominal_cost`` says how often an image passes through the model in each step, for the plan of a run. Here it is left
  out: the filter asks no model, and the image is classified once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional

from scc_core import Defense, Noise, ZeroShotModel, parameter


@dataclass(frozen=True)
class MedianFilter(Defense):
    """Classify the image whose every pixel is the median of the window around it, channel by channel."""

    gradients: ClassVar = ("bpda",)
    control: ClassVar[bool] = True

    radius: int = parameter(1, minimum=0, maximum=8, help="pixels to each side of the window")

    def correct(self, model: ZeroShotModel, pixels: Tensor, noise: Noise) -> Tensor:
        """Return the filtered images ``(B, 3, H, W)``; the border is repeated outwards."""
        side, (batch, channels, height, width) = 2 * self.radius + 1, pixels.shape
        padded = functional.pad(pixels, (self.radius,) * 4, mode="replicate")
        windows = functional.unfold(padded.flatten(0, 1).unsqueeze(1), side)
        return windows.median(dim=1).values.reshape(batch, channels, height, width)
