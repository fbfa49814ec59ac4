"""The attack contract, and the steps that attacks share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from scc_core.components.parameters import Parametrised
from scc_core.cost import Cost
from scc_core.errors import ComponentError, UserError, unknown_name
from scc_core.models.base import Classifier
from scc_core.noise import Noise

NORMS = ("linf", "l2")


class AttackResult(NamedTuple):
    """Adversarial images and what they cost.

    Attributes:
        images: ``(B, 3, H, W)`` float32 in [0, 1].
        cost: images passed forward and backward through the model; ``seconds`` is left at 0.
    """

    images: Tensor
    cost: Cost


class Attack(Parametrised, ABC):
    """Base of all attacks: subclasses are frozen dataclasses whose fields are parameters.

    The evaluation, not the attack, checks the budget and decides success.

    Per-image semantics hold everywhere: but for rounding, what happens to an image never depends on the others of its
    batch.

    Attributes:
        name: the attack's name in errors and in :meth:`composition`; the class's name if it sets none.
        norm: the norm in which ``epsilon`` bounds the perturbation, ``linf`` or ``l2``.
    """

    kind = "attack"
    name: ClassVar[str] = ""
    norm: str = "linf"

    def __init_subclass__(cls) -> None:
        if "name" not in cls.__dict__:
            cls.name = cls.__name__

    @classmethod
    def check_declarations(cls) -> None:
        """Check the norm, where the class alone decides it.

        Raises:
            UserError: no such norm.
        """
        if isinstance(cls.norm, str) and cls.norm not in NORMS:
            raise unknown_name("norm", cls.norm, NORMS)

    def __call__(self, model: Classifier, pixels: Tensor, labels: Tensor, epsilon: float, noise: Noise) -> AttackResult:
        """Make adversarial images and count what they cost.

        Args:
            model: the classifier under attack.
            pixels: ``(B, 3, H, W)`` float32 in [0, 1].
            labels: ``(B,)`` int64 true classes.
            epsilon: radius in [0, 1] pixel units, in the norm of :attr:`norm`.
            noise: the source of all randomness.

        Raises:
            UserError: the attack cannot run with the model's number of classes.
            ComponentError: a logit or a gradient of the model is not finite, or the attack returns no tensor.
        """
        self.check(model.num_classes)
        with model.meter.measure() as counted:
            images = self.perturb(model, pixels, labels, epsilon, noise)
            if not isinstance(images, Tensor):
                raise ComponentError(f"attack {self.name} returned a {type(images).__name__}, not a tensor of images")
            return AttackResult(images.detach(), counted())

    @abstractmethod
    def perturb(self, model: Classifier, pixels: Tensor, labels: Tensor, epsilon: float, noise: Noise) -> Tensor:
        """Return adversarial images ``(B, 3, H, W)`` within ``epsilon`` of ``pixels`` and within [0, 1]."""

    @abstractmethod
    def nominal_cost(self, num_classes: int) -> Cost:
        """Return the forwards and backwards per image that planning assumes, of an image that survives the attack."""

    def embedding_forwards(self) -> int:
        """Return how many forwards of the nominal cost ask for the image's embedding instead of its logits.

        An attack that asks for any differentiates embeddings only. Most attacks ask for none.
        """
        return 0

    def check(self, num_classes: int) -> None:
        """Check, before any compute, that the attack can run against ``num_classes`` classes.

        Raises:
            UserError: it cannot; the text says how many classes it needs.
        """

    def composition(self, num_classes: int) -> tuple[str, ...]:  # noqa: ARG002 - most attacks are one for any number
        """Return the names of what runs against ``num_classes`` classes, in order.

        A part that cannot run is missing; a part that runs with fewer targets than asked for says so.
        """
        return (self.name,)


@runtime_checkable
class RowwiseClassifier(Protocol):
    """A classifier bound to the images of one batch, such as one whose noise is drawn per sample."""

    def select(self, rows: Tensor) -> Classifier:
        """Return the classifier of the chosen rows of the batch; ``rows`` is a mask or indices."""

    def among(self, rows: Tensor) -> Classifier:
        """Return the classifier of the whole batch that is asked about the images of the mask ``rows`` alone."""


def rows_of(model: Classifier, rows: Tensor) -> Classifier:
    """Return the classifier for the chosen ``rows`` of the batch: ``model`` itself if it is bound to no batch."""
    return model.select(rows) if isinstance(model, RowwiseClassifier) else model


def asked_about(model: Classifier, rows: Tensor) -> Classifier:
    """Return the classifier whose answers on the images outside of the mask ``rows`` are not used.

    Where the classifier is random, a question about an image takes that image's next draw, and no other one's.
    """
    return model.among(rows) if isinstance(model, RowwiseClassifier) else model


def require_classes(attack: str, num_classes: int, minimum: int) -> None:
    """Check that there are at least ``minimum`` classes.

    Raises:
        UserError: there are fewer.
    """
    if num_classes < minimum:
        raise UserError(f"attack {attack} needs at least {minimum} classes; the dataset has {num_classes}")


def project(images: Tensor, centre: Tensor, epsilon: float) -> Tensor:
    """Project on the L-inf ball of radius ``epsilon`` around ``centre`` and on [0, 1]."""
    return (centre + (images - centre).clamp(-epsilon, epsilon)).clamp(0.0, 1.0)


def random_start(pixels: Tensor, epsilon: float, noise: Noise) -> Tensor:
    """Return ``pixels`` plus uniform noise on [-epsilon, epsilon), clamped to [0, 1]."""
    offset = noise.fold("start").uniform(tuple(pixels.shape[1:]), -epsilon, epsilon)
    return (pixels + offset).clamp(0.0, 1.0)


def input_gradient(objective: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Return the gradient of the summed ``objective`` (``(B,)`` per image) in ``images``, of the same shape."""
    leaf = images.detach().requires_grad_(True)
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(objective(leaf).sum(), leaf)
    return gradient
