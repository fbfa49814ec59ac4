"""The defense contract: ``(model, pixels, noise) -> logits``, never a label."""

from __future__ import annotations

from typing import ClassVar, Literal, NamedTuple, get_args

import torch
from torch import Tensor

from scc_core.components.parameters import Parametrised
from scc_core.cost import Cost
from scc_core.errors import UserError
from scc_core.models.base import ZeroShotModel
from scc_core.noise import Noise

Gradients = Literal["none", "bpda", "unrolled"]


class DefenseCost(NamedTuple):
    """What the two steps of a defense cost per image, as planning assumes; the defaults are those of unchanged steps.

    The passes are those of an image that no gate spares: planning needs an upper bound. An adaptive attack runs both
    steps at each of its forwards, and pays :meth:`gradient` for each of its own gradients.

    Attributes:
        correct: passes of :meth:`Defense.correct`, its own gradients included.
        classify: passes of :meth:`Defense.classify` while nothing differentiates it, its own gradients included.
        differentiated: forwards of ``classify`` that a gradient of the logits passes back through; None if it passes
            through all of them. It is smaller where ``classify`` turns gradients off for some of its forwards.
    """

    correct: Cost = Cost()
    classify: Cost = Cost(forwards=1)
    differentiated: int | None = None

    @property
    def total(self) -> Cost:
        """The passes of a defended prediction."""
        return self.correct + self.classify

    def gradient(self, way: Gradients) -> Cost:
        """Return the further passes of one gradient of the logits in the pixels, once both steps have run.

        BPDA passes back through ``classify``. ``unrolled`` also passes back through ``correct``; it is taken to pass
        through every forward there.
        """
        classify = self.classify.forwards if self.differentiated is None else self.differentiated
        return Cost(backwards=classify + (self.correct.forwards if way == "unrolled" else 0))


class Defense(Parametrised):
    """Base of all test-time defenses: subclasses are frozen dataclasses whose fields are parameters.

    A defense is two steps, of which each may be left as it is: :meth:`correct` changes the image and may compute
    gradients of its own; :meth:`classify` turns the result into logits and is differentiable, so that an adaptive
    attacker can pass through it and skip over the correction (BPDA).

    Per-image semantics hold everywhere: but for rounding, what happens to an image never depends on the others of its
    batch.

    Attributes:
        gradients: the ways in which an adaptive attacker may differentiate through the defense.
        randomised: whether another draw of the noise may give another prediction.
        control: a trivial transformation that a useful defense must beat.

    What ``randomised`` and ``control`` say of an object is stored with its results; a property may let parameters
    decide.
    """

    kind = "defense"
    gradients: ClassVar[tuple[Gradients, ...]] = ("none",)
    randomised: ClassVar[bool] = False
    control: ClassVar[bool] = False

    @classmethod
    def check_declarations(cls) -> None:
        """Check the ways of differentiating, and that one of the two steps does something.

        Raises:
            UserError: they are none, or both steps are left as they are.
        """
        declared, allowed = cls.gradients, get_args(Gradients)
        if isinstance(declared, str) or any(way not in allowed for way in declared):
            raise UserError(f"gradients is {declared!r}, expected a tuple of any of {', '.join(allowed)}")
        if all(getattr(cls, step) is getattr(Defense, step) for step in ("correct", "classify", "__call__")):
            raise UserError("it defines neither correct nor classify, and so would change nothing")

    @torch.no_grad()
    def __call__(self, model: ZeroShotModel, pixels: Tensor, noise: Noise) -> Tensor:
        """Return the defended logits ``(B, K)``.

        Args:
            model: the classifier, whose features and text embeddings the defense may use.
            pixels: ``(B, 3, H, W)`` float32 in [0, 1], attacked or clean; the defense is not told which.
            noise: the source of all randomness.
        """
        return self.classify(model, self.correct(model, pixels, noise), noise)

    def correct(self, model: ZeroShotModel, pixels: Tensor, noise: Noise) -> Tensor:  # noqa: ARG002
        """Return the corrected images ``(B, 3, H, W)`` in [0, 1]; gradients are off unless turned on inside."""
        return pixels

    def classify(self, model: ZeroShotModel, images: Tensor, noise: Noise) -> Tensor:  # noqa: ARG002
        """Return the logits ``(B, K)`` of corrected images, differentiable in them."""
        return model(images)

    def nominal_cost(self, num_classes: int) -> DefenseCost:  # noqa: ARG002
        """Return the passes per image that planning assumes; to be overridden where a step embeds images or texts.

        Without an override it is one forward: right for a defense that changes pixels and classifies them once.
        """
        return DefenseCost()
