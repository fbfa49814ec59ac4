"""How long a plan will take: on this machine, and on each kind of device of which anything is known."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from orchestrator.plan.device_figures import kernel_figures, reference, tower_flops
from orchestrator.store import DeviceTotals
from scc_core.cost import Cost
from scc_core.datasets import PreparedDataset, open_dataset
from scc_core.models import ZeroShotModel, get_model

_PROBE_IMAGES = 50
_GRADIENT_STEP = Cost(forwards=1, backwards=1)
_TERA = 1e12

Source = Literal["database", "probe"]


@dataclass(frozen=True)
class Speed:
    """Seconds of one worker per forward pass of an image, and where the figure comes from."""

    seconds_per_forward: float
    source: Source


@dataclass(frozen=True)
class DeviceEstimate:
    """What a plan takes on one device of a kind.

    Attributes:
        device: the kind.
        seconds: of the models that are known.
        basis: where the figure comes from: ``database``, ``kernels`` (shipped measurements) or ``bound`` (arithmetic
            at the peak of the data sheet: a floor that nothing reaches, no measurement).
        unknown: models of the plan whose passes are not in ``seconds``.
        detail: what a reader must know of the figure.
    """

    device: str
    seconds: float
    basis: Literal["database", "kernels", "bound"]
    unknown: Sequence[str]
    detail: str


def stored_speeds(totals: Iterable[DeviceTotals], precision: str) -> dict[str, dict[str, Speed]]:
    """Return, by device and model, the speed at ``precision`` that the database holds measurements of."""
    speeds: dict[str, dict[str, Speed]] = {}
    for row in totals:
        work = Cost(forwards=row.forwards, backwards=row.backwards).work
        if row.precision == precision and work and row.seconds:
            speeds.setdefault(row.device, {})[row.model] = Speed(row.seconds / work, "database")
    return speeds


def device_estimates(
    passes: Mapping[str, Cost],
    towers: Mapping[str, str],
    stored: Mapping[str, Mapping[str, Speed]],
    precision: str,
) -> list[DeviceEstimate]:
    """Return what passes take on one device of each kind: measured kinds first, then bounds.

    Args:
        passes: images times passes, by model.
        towers: by model, the name under which kernel figures know its image tower.
        stored: what the database holds, see :func:`stored_speeds`.
        precision: of the image towers.
    """
    measured = [
        DeviceEstimate(
            device, compute_seconds(passes, speeds), "database", _without(passes, speeds), "in this database"
        )
        for device, speeds in stored.items()
    ]
    estimates = [*measured, *_from_kernels(passes, towers, precision), *_bounds(passes, towers, precision)]
    return [estimate for estimate in estimates if estimate.seconds]


def flops(passes: Mapping[str, Cost], towers: Mapping[str, str]) -> float | None:
    """Return the operations of the image towers for passes, by model; None if one was not counted."""
    counted = [_flops(count, towers[model]) for model, count in passes.items()]
    return None if None in counted else sum(count for count in counted if count is not None)


def probe_speed(model: str, dataset: str, preprocessing: str) -> Speed:
    """Measure one gradient step on a batch of real images, on one thread or the first GPU, as a worker would."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        tower = get_model(model).load(device)
        classifier = ZeroShotModel(tower, open_dataset(dataset).prompts())
        prepared = PreparedDataset(open_dataset(dataset), preprocessing, tower.image_size)
        pixels = prepared.batch(range(min(_PROBE_IMAGES, len(prepared))), device).pixels
        _gradient_step(classifier, pixels)
        start = time.perf_counter()
        _gradient_step(classifier, pixels)
        return Speed((time.perf_counter() - start) / _GRADIENT_STEP.times(len(pixels)).work, "probe")
    finally:
        torch.set_num_threads(threads)


def compute_seconds(passes: Mapping[str, Cost], speeds: Mapping[str, Speed]) -> float:
    """Return the seconds that one worker computes for passes, by model; models without a speed are left out."""
    return sum(cost.work * speeds[model].seconds_per_forward for model, cost in passes.items() if model in speeds)


def _from_kernels(passes: Mapping[str, Cost], towers: Mapping[str, str], precision: str) -> Iterable[DeviceEstimate]:
    for figures in kernel_figures():
        known = {model: figures.seconds.get((towers[model], precision)) for model in passes}
        seconds = {
            model: count.forwards * each.forward + count.backwards * each.backward
            for model, count in passes.items()
            if (each := known[model]) is not None
        }
        detail = f"kernel benchmark of {figures.date}" + (f"; {figures.note}" if figures.note else "")
        yield DeviceEstimate(figures.device, sum(seconds.values()), "kernels", _without(passes, seconds), detail)


def _bounds(passes: Mapping[str, Cost], towers: Mapping[str, str], precision: str) -> Iterable[DeviceEstimate]:
    operations = {model: _flops(count, towers[model]) for model, count in passes.items()}
    counted = {model: count for model, count in operations.items() if count is not None}
    for device, peaks in reference().peaks.items():
        for name, peak in peaks.items():
            if name == precision:
                detail = f"{peak:g} TFLOP/s, {name}"
                seconds = sum(counted.values()) / (peak * _TERA)
                yield DeviceEstimate(device, seconds, "bound", _without(passes, counted), detail)


def _flops(count: Cost, tower: str) -> float | None:
    each = tower_flops(tower)
    return None if each is None else count.forwards * each.forward_flops + count.backwards * each.backward_flops


def _without(passes: Mapping[str, Cost], known: Mapping[str, object]) -> list[str]:
    return [model for model in passes if model not in known]


def _gradient_step(classifier: ZeroShotModel, pixels: torch.Tensor) -> None:
    leaf = pixels.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(classifier(leaf).logsumexp(dim=-1).sum(), leaf)
    # Reading a value waits for a GPU's queue.
    float(gradient.sum())
