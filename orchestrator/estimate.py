"""How long a plan will take: from what the database has seen of a model, else from a short measurement here."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import polars as pl
import torch

from orchestrator.plan import Plan
from scc_core.datasets import PreparedDataset, open_dataset
from scc_core.models import ZeroShotModel, get_model

_PROBE_IMAGES = 50
_FORWARDS_OF_A_STEP = 3.0  # one forward, and a backward that counts as two

Source = Literal["database", "probe"]


@dataclass(frozen=True)
class Speed:
    """Seconds of one worker per forward pass of an image, and where the figure comes from."""

    seconds_per_forward: float
    source: Source


def stored_speeds(results: pl.DataFrame) -> dict[str, Speed]:
    """Return the speed of every model that the database holds measurements of."""
    measured = results.filter(pl.col("samples") > 0)
    seconds = pl.col("samples") * pl.col("seconds_per_image")
    work = pl.col("samples") * (pl.col("forwards_per_image") + 2 * pl.col("backwards_per_image"))
    totals = measured.group_by("model").agg(seconds.sum().alias("seconds"), work.sum().alias("work"))
    return {
        row["model"]: Speed(row["seconds"] / row["work"], "database")
        for row in totals.iter_rows(named=True)
        if row["work"] > 0
    }


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
        return Speed((time.perf_counter() - start) / len(pixels) / _FORWARDS_OF_A_STEP, "probe")
    finally:
        torch.set_num_threads(threads)


def estimate_seconds(plan: Plan, speeds: Mapping[str, Speed], workers: int) -> float:
    """Return the seconds that ``workers`` workers need for a plan, start-up not included."""
    work = plan.work_by_model()
    return sum(total * speeds[model].seconds_per_forward for model, total in work.items()) / workers


def _gradient_step(classifier: ZeroShotModel, pixels: torch.Tensor) -> None:
    leaf = pixels.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(classifier(leaf).logsumexp(dim=-1).sum(), leaf)
    # Reading a value waits for a GPU's queue.
    float(gradient.sum())
