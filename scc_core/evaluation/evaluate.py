"""Attack once, defend many: the measurement itself, which trusts neither attack nor defense."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from scc_core.batch import Batch
from scc_core.components.component import Component
from scc_core.components.parameters import written_radius
from scc_core.cost import Cost
from scc_core.defenses.base import Defense
from scc_core.errors import ComponentError
from scc_core.evaluation.adaptive import DefendedClassifier
from scc_core.evaluation.threat import Threat
from scc_core.machine.arithmetic import fixed_arithmetic
from scc_core.models.base import Classifier, ZeroShotModel
from scc_core.noise import Noise
from scc_core.outcomes import MAX_SCORED_CLASSES, Outcomes

KeyT = TypeVar("KeyT")

_BUDGET_TOLERANCE = 1e-6
_RELATIVE_TOLERANCE = {"linf": 0.0, "l2": 1e-5}
"""Pixels are rounded one by one, and a Euclidean length sums over all of them."""
_MIB = 2**20
_ORDERS = {"linf": torch.inf, "l2": 2.0}


@dataclass(frozen=True)
class Defended:
    """Outcomes of one defense on some samples, and what the defense cost."""

    outcomes: Outcomes
    cost: Cost


@dataclass(frozen=True)
class Evaluation(Generic[KeyT]):
    """Everything measured on some samples.

    Attributes:
        attack: cost of the adversarial images, which all the defenses share.
        gradients: ``(B,)`` float32, the largest absolute value of any gradient that the attack computed for a sample;
            NaN where it computed none.
        defended: by the caller's key, the outcomes and cost of every defense.
        images: ``(B, 3, H, W)`` what the defenses were given; None unless they were asked for.
    """

    attack: Cost
    gradients: npt.NDArray[np.float32]
    defended: Mapping[KeyT, Defended]
    images: Tensor | None = None


def evaluate(
    model: ZeroShotModel,
    batch: Batch,
    *,
    threat: Threat,
    defenses: Mapping[KeyT, Component[Defense]],
    on_error: Callable[[KeyT, Exception], None] | None = None,
    keep_images: bool = False,
) -> Evaluation[KeyT]:
    """Attack once, then classify the same adversarial images under every defense.

    Args:
        model: the classifier.
        batch: the images.
        threat: what is done to the images; one that is adaptive is made for exactly one defense.
        defenses: what to measure, by any key.
        on_error: called with the key and the exception of a defense that fails, which is then left out of the
            result; the others are measured all the same. None: the exception is raised.
        keep_images: return the adversarial images, which are otherwise freed once they are classified.

    Raises:
        ComponentError: the attack left its budget or a component returned something that is no finite logit.
        ValueError: an adaptive attack on several defenses at once.
    """
    with fixed_arithmetic(model.model.device, tf32=model.precision == "tf32"):
        images, gradients, cost = _attacked(model, batch, threat, defenses)
        noise = Noise(threat.seed, batch.sample_ids, "defense")
        defended = {}
        for key, defense in defenses.items():
            try:
                defended[key] = _defend(model, defense.build(), batch, images, noise)
            except torch.OutOfMemoryError:
                raise
            except Exception as error:
                if on_error is None:
                    raise
                on_error(key, error)
    return Evaluation(cost, gradients, defended, images if keep_images else None)


def _attacked(
    model: ZeroShotModel, batch: Batch, threat: Threat, defenses: Mapping[KeyT, Component[Defense]]
) -> tuple[Tensor, npt.NDArray[np.float32], Cost]:
    """Make the adversarial images; return them with their gradients and their cost."""
    target: Classifier = model
    noise = Noise(threat.seed, batch.sample_ids, "attack")
    if threat.adaptive is not None:
        if len(defenses) != 1:
            raise ValueError(f"an adaptive attack is made for one defense, not for {len(defenses)}")
        (known,) = defenses.values()
        target = DefendedClassifier(model, known.build(), noise.fold("defended"), threat.adaptive)
    with _timed(model) as cost:
        try:
            images, gradients = _checked(target, batch, threat, noise)
        except ComponentError as error:
            raise ComponentError(f"model {model.model.name}: {error}") from error
    return images, gradients, cost.total


def _checked(model: Classifier, batch: Batch, threat: Threat, noise: Noise) -> tuple[Tensor, npt.NDArray[np.float32]]:
    """Make the adversarial images, and check that they are within the budget."""
    sample_ids = batch.sample_ids.tolist()
    if threat.attack is None:
        return batch.pixels, np.full(len(sample_ids), np.nan, np.float32)
    attack, epsilon = threat.attack.build(), threat.epsilon
    with model.meter.attack_gradients() as steepest:
        # A copy: the budget is measured from the images themselves, which an attack may work on in place.
        images = attack(model, batch.pixels.clone(), batch.labels.clone(), epsilon, noise).images
    if (images.shape, images.dtype) != (batch.pixels.shape, batch.pixels.dtype):
        raise ComponentError(
            f"attack {attack.name} returned shape {tuple(images.shape)} of {images.dtype} for images of "
            f"{tuple(batch.pixels.shape)} of {batch.pixels.dtype}"
        )
    moved = (images - batch.pixels).flatten(1)
    distance = torch.linalg.vector_norm(moved, ord=_ORDERS[attack.norm], dim=1, dtype=torch.float64)
    outside = torch.maximum(-images, images - 1.0).flatten(1).amax(dim=1)
    # Written so that NaN, which compares false, counts as broken.
    allowed = epsilon * (1 + _RELATIVE_TOLERANCE[attack.norm]) + _BUDGET_TOLERANCE
    broken = ~((distance <= allowed) & (outside <= 0))
    if broken.any():
        row = int(broken.nonzero()[0])
        raise ComponentError(
            f"attack {attack.name} broke its budget on sample {sample_ids[row]}: it moved by "
            f"{written_radius(float(distance[row]), attack.norm)} in {attack.norm} with epsilon "
            f"{written_radius(epsilon, attack.norm)}, "
            f"range [{float(images[row].min()):g}, {float(images[row].max()):g}]"
        )
    gradients = [steepest.get(sample, np.nan) for sample in sample_ids]
    return images, np.array(gradients, np.float32)


def _defend(model: ZeroShotModel, defense: Defense, batch: Batch, images: Tensor, noise: Noise) -> Defended:
    with _timed(model) as cost:
        # A copy: every defense is given the same images, whatever another one did to them in place.
        logits = defense(model, images.clone(), noise)
    name, expected = type(defense).__name__, (len(batch.labels), model.num_classes)
    if not isinstance(logits, Tensor) or not logits.is_floating_point():
        returned = f"a tensor of {logits.dtype}" if isinstance(logits, Tensor) else f"a {type(logits).__name__}"
        raise ComponentError(f"defense {name} returned {returned}; logits are a tensor of floating-point numbers")
    if tuple(logits.shape) != expected:
        raise ComponentError(f"defense {name} returned shape {tuple(logits.shape)}; logits have shape {expected}")
    broken = ~logits.isfinite().all(dim=1)
    if broken.any():
        sample = int(batch.sample_ids[int(broken.nonzero()[0])])
        raise ComponentError(
            f"model {model.model.name} under defense {name} gave a logit that is not finite on sample {sample}"
        )
    outcomes = _outcomes(batch, logits)
    useless = ~(np.isfinite(outcomes.margins) & np.isfinite(outcomes.confidences))
    if useless.any():
        row = int(useless.nonzero()[0][0])
        raise ComponentError(
            f"model {model.model.name} under defense {name} gave logits from {float(logits[row].min()):g} to "
            f"{float(logits[row].max()):g} on sample {int(batch.sample_ids[row])}, whose margin is no finite number"
        )
    return Defended(outcomes, cost.total)


def _outcomes(batch: Batch, logits: Tensor) -> Outcomes:
    labels = batch.labels.unsqueeze(1)
    true_logit = logits.gather(1, labels).squeeze(1)
    other = logits.scatter(1, labels, -torch.inf).amax(dim=1)
    # The logits decide: softmax may round two classes to the same probability.
    prediction = logits.argmax(dim=1)
    probabilities = torch.softmax(logits, dim=1)
    confidence = probabilities.gather(1, prediction.unsqueeze(1)).squeeze(1)
    return Outcomes(
        sample_ids=batch.sample_ids.cpu().numpy().astype(np.int64),
        labels=batch.labels.cpu().numpy().astype(np.int32),
        predictions=prediction.cpu().numpy().astype(np.int32),
        margins=(true_logit - other).cpu().numpy().astype(np.float32),
        confidences=confidence.cpu().numpy().astype(np.float32),
        scores=probabilities.cpu().numpy().astype(np.float16) if logits.shape[1] <= MAX_SCORED_CLASSES else None,
    )


@dataclass
class _Timed:
    total: Cost = field(default_factory=Cost)


@contextmanager
def _timed(model: ZeroShotModel) -> Iterator[_Timed]:
    """Measure wall time, passes and peak memory; a GPU's queue is drained before either clock is read."""
    timed, device = _Timed(), model.model.device
    _synchronize(device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    start = time.perf_counter()
    with model.meter.measure() as counted:
        yield timed
        _synchronize(device)
        seconds = time.perf_counter() - start
        peak = torch.cuda.max_memory_allocated(device) / _MIB if device.type == "cuda" else None
        timed.total = replace(counted(), seconds=seconds, peak_memory_mib=peak)


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
