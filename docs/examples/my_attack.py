"""An attack of one's own, whole in one file: sign steps along a gradient with momentum, as MI-FGSM makes them.

Dong et al., "Boosting adversarial attacks with momentum", CVPR 2018, arXiv 1710.06081. Name it in a grid by its dotted
path, from the folder that this file lies in:

    attacks: [{my_attack:MomentumSteps: {num_steps: 5}}]

The contract, in words:

- An attack is a frozen dataclass that derives from :class:`scc_core.Attack`. Its fields are its parameters, each
  declared with :func:`scc_core.parameter`: a default, a range, a meaning. All of them enter the identity of a cell.
- ``perturb`` gets images in [0, 1] with their true labels, and returns images within ``epsilon`` of them and within
  [0, 1]. Nothing is taken on trust: the evaluation checks both, and decides what is a success.
- It asks the model by calling it, and for gradients best through :class:`scc_core.Problem`, which names the image if a
  value is not finite. The same attack runs unchanged against a defended model, which is how threat model ``adaptive``
  works; there every call is a fresh draw of the defense's randomness.
- What happens to an image never depends on the other images of its batch. An attack that has finished some of its
  images goes on with all of them, through ``problem.among(rows)``, and ignores what comes of the finished ones: a
  smaller batch would round otherwise.
- All its randomness comes from the ``noise`` that it is given.
- ``nominal_cost`` says how many forward and backward passes an image takes at most, for the plan of a run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from scc_core import Attack, Cost, Noise, Problem, ZeroShotModel, parameter, project


@dataclass(frozen=True)
class MomentumSteps(Attack):
    """Sign steps of ``epsilon / num_steps`` along the running sum of the gradients, each of length 1 in L1."""

    name: ClassVar[str] = "momentum-steps"

    num_steps: int = parameter(10, minimum=1, maximum=10_000, help="number of gradient steps")
    decay: float = parameter(1.0, minimum=0.0, maximum=1.0, help="share of the former gradients that is kept")

    def perturb(self, model: ZeroShotModel, pixels: Tensor, labels: Tensor, epsilon: float, noise: Noise) -> Tensor:
        """Return the images ``(B, 3, H, W)`` after the last step."""
        problem = Problem(self.name, model, pixels, labels, epsilon, noise)
        images, momentum = pixels, torch.zeros_like(pixels)
        for step in range(1, self.num_steps + 1):
            gradient = problem.ascend(
                lambda logits: functional.cross_entropy(logits, labels, reduction="none"), images, f"step {step}"
            ).gradient
            length = gradient.abs().sum(dim=(1, 2, 3), keepdim=True).clamp_min(torch.finfo(gradient.dtype).tiny)
            momentum = self.decay * momentum + gradient / length
            images = project(images + epsilon / self.num_steps * momentum.sign(), pixels, epsilon)
        return images

    def nominal_cost(self, num_classes: int) -> Cost:
        """Return one forward and one backward a step."""
        return Cost(forwards=self.num_steps, backwards=self.num_steps)
