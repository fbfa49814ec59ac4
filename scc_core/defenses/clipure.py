"""CLIPure-Cos: Zhang et al., ICLR 2025, arXiv 2410.23091."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional

from scc_core.components.parameters import parameter
from scc_core.defenses.base import Defense, Gradients
from scc_core.defenses.registry import defenses
from scc_core.models.base import ZeroShotModel
from scc_core.noise import Noise

PHOTO = "a photo of a ."


@defenses.register("clipure-cos")
@dataclass(frozen=True)
class CLIPureCos(Defense):
    """Move the embedding's direction towards the prompts without a class name; its length is kept.

    With ``u`` the unit embedding and ``t`` the mean embedding of the empty templates, each step goes
    ``u <- normalise(u + eta g / ||g||)``, ``g`` being the gradient of ``cos(u, t)`` on the sphere.

    The published code divides by the length of the whole batch's gradient, so that a step shrinks with the root of the
    batch size; here every image's gradient is divided by its own length. A step of eta turns an embedding by
    ``arctan(eta)``, 88.1 degrees for the published 30, and beyond ``t`` if it was nearer; the next step turns it back.
    So the published 10 steps, normalised per image, leave every embedding within that angle of ``t`` as it was, and
    the prediction is the undefended model's. An odd number of steps, or smaller ones, do move embeddings.
    """

    gradients: ClassVar[tuple[Gradients, ...]] = ("unrolled",)

    step_size: float = parameter(30.0, minimum=1e-6, maximum=1e6, help="length eta of a step")
    num_steps: int = parameter(10, minimum=1, maximum=10_000, help="number of steps")
    templates: str = parameter(
        "imagenet", choices=("imagenet", "photo"), help="empty templates: CLIP's 80 for ImageNet, or one"
    )

    def classify(self, model: ZeroShotModel, images: Tensor, noise: Noise) -> Tensor:  # noqa: ARG002
        """Return the logits of the purified embedding."""
        null = model.embed_texts(null_texts(self.templates))
        direction = functional.normalize(model.features(images), dim=-1)
        for _ in range(self.num_steps):
            cosine = (direction * null).sum(dim=-1, keepdim=True)
            gradient = functional.normalize(null - cosine * direction, dim=-1)
            direction = functional.normalize(direction + self.step_size * gradient, dim=-1)
        return model.logits(direction)


def null_texts(templates: str) -> tuple[str, ...]:
    """Return the texts of templates without a class name."""
    if templates == "photo":
        return (PHOTO,)
    from open_clip import OPENAI_IMAGENET_TEMPLATES

    return tuple(template("") for template in OPENAI_IMAGENET_TEMPLATES)
