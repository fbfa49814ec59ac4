"""Robust test-time prompt tuning (R-TPT): Sheng et al., CVPR 2025."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from scc_core.components.parameters import parameter
from scc_core.cost import Cost
from scc_core.defenses.base import Defense, DefenseCost, Gradients
from scc_core.defenses.registry import defenses
from scc_core.defenses.transforms.augmix import augmix_view
from scc_core.models.base import PromptEncoder, ZeroShotModel
from scc_core.noise import Noise


@defenses.register("r-tpt")
@dataclass(frozen=True)
class RTPT(Defense):
    """Tune the prompt's context on every image's own views, and let views count that resemble many others.

    Of the image and its AugMix views the most confident tenth, those of lowest entropy, is kept; one AdamW step on the
    context's token embeddings lowers the mean of their entropies. With the tuned prompt, the logits of all views are
    averaged with weights ``softmax(s / 0.01)``, ``s_i`` being the mean cosine of view ``i`` to its 20 nearest others.

    As published, the prompts are ``<context> <class name>.`` for every dataset, not the dataset's own. The published
    code leaves a view out of its own neighbours by dropping cosines of at least 1, which rounding defeats and which
    also drops exact copies; here a view is left out by its place. It passes the views through the image tower four
    times, here once: their embeddings do not depend on the prompt.

    A gradient passes through the views and over the tuning as over a constant (BPDA).
    """

    gradients: ClassVar[tuple[Gradients, ...]] = ("bpda",)
    randomised: ClassVar[bool] = True

    num_views: int = parameter(64, minimum=2, maximum=1024, help="the image and its AugMix views")
    selection: float = parameter(0.1, minimum=0.0, maximum=1.0, help="share of the views kept for tuning, at least one")
    learning_rate: float = parameter(5e-3, minimum=0.0, maximum=100.0, help="learning rate of AdamW")
    weight_decay: float = parameter(0.01, minimum=0.0, maximum=1.0, help="weight decay of AdamW (its own default)")
    num_steps: int = parameter(1, minimum=1, maximum=1000, help="tuning steps")
    num_neighbours: int = parameter(20, minimum=1, maximum=1024, help="nearest views that a view is weighted by")
    temperature: float = parameter(0.01, minimum=1e-6, maximum=1e6, help="softness of the weights")
    severity: float = parameter(1.0, minimum=0.1, maximum=10.0, help="largest level of AugMix operations")
    context: str = parameter("a photo of a", help="words before the class name, whose tokens are tuned")

    def classify(self, model: ZeroShotModel, images: Tensor, noise: Noise) -> Tensor:
        """Return the weighted mean logits of the views under the tuned prompts.

        Raises:
            UserError: the context tokens of the model's text tower cannot be tuned.
        """
        encoder = model.prompt_encoder(self.context)
        embeddings = [model.features(view) for view in self.views(images, noise)]
        features = functional.normalize(torch.stack(embeddings, dim=1), dim=-1)
        texts = torch.stack([self.tuned_texts(model, encoder, own) for own in features])
        logits = model.model.logit_scale * features @ texts.mT + model.model.logit_bias
        return (self.weights(features).unsqueeze(-1) * logits).sum(dim=1)

    def views(self, images: Tensor, noise: Noise) -> Iterator[Tensor]:
        """Yield the images and then their AugMix views, ``(B, 3, H, W)`` each."""
        yield images
        for view in range(1, self.num_views):
            yield augmix_view(images, noise.fold(f"view-{view}"), self.severity)

    @torch.no_grad()
    def tuned_texts(self, model: ZeroShotModel, encoder: PromptEncoder, features: Tensor) -> Tensor:
        """Return one image's unit text embeddings ``(K, D)`` after tuning on its views' unit embeddings ``(V, D)``."""
        context = encoder.context.clone().requires_grad_(True)
        optimizer = torch.optim.AdamW([context], lr=self.learning_rate, weight_decay=self.weight_decay)
        scale = model.model.logit_scale
        entropies = entropy(scale * features @ unit_texts(encoder, context).T)
        chosen = features[entropies.argsort(stable=True)[: max(1, int(self.num_views * self.selection))]]
        for _ in range(self.num_steps):
            with torch.enable_grad():
                loss = entropy(scale * chosen @ unit_texts(encoder, context).T).mean()
                (context.grad,) = torch.autograd.grad(loss, context)
            optimizer.step()
        return unit_texts(encoder, context)

    def weights(self, features: Tensor) -> Tensor:
        """Return the views' weights ``(B, V)`` from their unit embeddings ``(B, V, D)``."""
        cosines = features @ features.mT
        own = torch.eye(cosines.shape[-1], dtype=torch.bool, device=cosines.device)
        nearest = cosines.masked_fill(own, -torch.inf).topk(min(self.num_neighbours, len(own) - 1), dim=-1).values
        return torch.softmax(nearest.mean(dim=-1) / self.temperature, dim=-1)

    def nominal_cost(self, num_classes: int) -> DefenseCost:
        """Return one forward per view, and every class's prompt before, in every step of and after the tuning."""
        tuning = num_classes * self.num_steps
        texts = Cost(text_forwards=2 * num_classes + tuning, text_backwards=tuning)
        return DefenseCost(classify=Cost(forwards=self.num_views) + texts)


def entropy(logits: Tensor) -> Tensor:
    """Return the entropy ``(N,)`` of the predictions ``(N, K)``."""
    return -(logits.softmax(dim=-1) * logits.log_softmax(dim=-1)).sum(dim=-1)


def unit_texts(encoder: PromptEncoder, context: Tensor) -> Tensor:
    """Return unit text embeddings ``(K, D)`` of the prompts with the given context."""
    return functional.normalize(encoder(context), dim=-1)
