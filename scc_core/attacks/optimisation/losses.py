"""The losses that attacks ascend: plain functions of logits, one value per image.

Notation: ``z`` are the logits, ``y`` the true class, ``t`` a target class, and ``z_(1) >= z_(2) >= ...`` the logits
in descending order. Every loss takes logits ``(B, K)`` and classes ``(B,)`` int64, and returns ``(B,)``.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

KAPPA = 50.0
"""The confidence of the margin loss in the published tables, which call it CW."""

_TINY = 1e-12


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return ``-log softmax(z)_y``."""
    return functional.cross_entropy(logits, labels, reduction="none")


def margin(logits: Tensor, labels: Tensor) -> Tensor:
    """Return ``z_y - max_{k != y} z_k``: below 0 where the image is misclassified. Defined from two classes on."""
    return logits_of(logits, labels) - logits.scatter(1, labels.unsqueeze(1), -torch.inf).amax(dim=1)


def negative_margin(logits: Tensor, labels: Tensor, kappa: float = KAPPA) -> Tensor:
    """Return ``-relu(z_y - max_{k != y} z_k + kappa)`` (Carlini and Wagner, S&P 2017, f_6, without their L2 term).

    It is 0, with no gradient, once the image is misclassified by ``kappa``.
    """
    return -functional.relu(margin(logits, labels) + kappa)


def dlr(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the difference of logits ratio ``-(z_y - max_{k != y} z_k) / (z_(1) - z_(3))``.

    Croce and Hein, ICML 2020, Eq. 6: unchanged when the logits are shifted or scaled. Defined from three classes on.
    """
    top = logits.topk(3, dim=1).values
    return -margin(logits, labels) / (top[:, 0] - top[:, 2] + _TINY)


def targeted_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return ``log softmax(z)_t``."""
    return -cross_entropy(logits, targets)


def targeted_negative_margin(logits: Tensor, targets: Tensor, kappa: float = KAPPA) -> Tensor:
    """Return ``-relu(max_{k != t} z_k - z_t + kappa)``."""
    return -functional.relu(kappa - margin(logits, targets))


def targeted_dlr(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """Return ``-(z_y - z_t) / (z_(1) - (z_(3) + z_(4)) / 2)``.

    Croce and Hein, ICML 2020, Eq. 7. Defined from four classes on.
    """
    top = logits.topk(4, dim=1).values
    scale = top[:, 0] - 0.5 * (top[:, 2] + top[:, 3])
    return -(logits_of(logits, labels) - logits_of(logits, targets)) / (scale + _TINY)


def logits_of(logits: Tensor, classes: Tensor) -> Tensor:
    """Return ``(B,)``, every image's logit of its own class of ``classes``."""
    return logits.gather(1, classes.unsqueeze(1)).squeeze(1)
