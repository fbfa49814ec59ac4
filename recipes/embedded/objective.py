"""The training loss: contrastive with several true captions per image, plus heads used in training only."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from scc_core.datasets.rendered.facts import ATTRIBUTES, UNNAMED


def contrastive_loss(logits: Tensor, true: Tensor) -> Tensor:
    """Return the mean negative log-probability of the true pairs, images to captions and captions to images.

    Args:
        logits: ``(N, T)`` scaled similarities of ``N`` images and ``T`` captions.
        true: ``(N, T)`` bool, which captions are true of which images.

    Returns:
        A scalar; the average of both directions, each over the rows that have a true pair at all.
    """
    return 0.5 * (_one_direction(logits, true) + _one_direction(logits.T, true.T))


def _one_direction(logits: Tensor, true: Tensor) -> Tensor:
    weights = true.to(logits.dtype)
    counts = weights.sum(dim=1)
    per_row = -(functional.log_softmax(logits, dim=1) * weights).sum(dim=1) / counts.clamp(min=1.0)
    answered = (counts > 0).to(logits.dtype)
    return (per_row * answered).sum() / answered.sum().clamp(min=1.0)


class AttributeHeads(nn.Module):
    """One linear classifier per attribute on the image embedding; only training uses them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Linear(width, len(values)) for values in ATTRIBUTES.values())

    def forward(self, embeddings: Tensor, rows: Tensor) -> Tensor:
        """Return the mean cross-entropy over the attributes that apply.

        Args:
            embeddings: ``(N, D)`` image embeddings before normalisation.
            rows: ``(N, A)`` int64 fact rows.
        """
        losses = []
        for column, head in enumerate(self.heads):
            targets = rows[:, column]
            if bool((targets != UNNAMED).any()):
                losses.append(functional.cross_entropy(head(embeddings), targets, ignore_index=UNNAMED))
        return torch.stack(losses).mean()
