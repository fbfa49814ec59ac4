"""One call of the benchmark: every model in every precision, the report kept up to date on the way."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from benchmarks.kernels.environment import describe, load_average
from benchmarks.kernels.flops import Flops, count_flops
from benchmarks.kernels.measure import RowTimer
from benchmarks.kernels.models import TimedModel, load_model
from benchmarks.kernels.peak import SIZES, matmul_peak
from benchmarks.kernels.report import ModelFacts, Report, Row
from benchmarks.kernels.timing import Budget
from benchmarks.kernels.workload import EPSILON, Workload
from scc_core.errors import UserError
from scc_core.machine.arithmetic import fixed_arithmetic

_QUICK_SIZE = 256


@dataclass(frozen=True)
class Settings:
    """What is timed, and for how long.

    Attributes:
        models: names of :mod:`benchmarks.kernels.models`.
        attacks: as in :mod:`benchmarks.kernels.components`.
        defenses: likewise.
        precisions: number formats of the image tower.
        batch_size: images of a batch.
        num_classes: random class embeddings.
        seconds: how long a row is repeated.
        limit: seconds of a batch beyond which a row is left unmeasured; nor is a row repeated for longer.
        quick: whether this was the short run that only exercises the benchmark.
    """

    models: tuple[str, ...]
    attacks: tuple[str, ...]
    defenses: tuple[str, ...]
    precisions: tuple[str, ...]
    batch_size: int
    num_classes: int
    seconds: float
    limit: float
    quick: bool = False

    @property
    def budget(self) -> Budget:
        """The budget of every row."""
        return Budget(self.seconds, self.limit)


def run(settings: Settings, device: torch.device, out: Path | None, note: str = "") -> Report:
    """Measure everything; the report is written to ``out`` after every row, so that a cut run keeps what it has."""
    record = {**asdict(settings), "epsilon_255": round(EPSILON * 255, 4)}
    report = Report(describe(device, note), record)
    size = _QUICK_SIZE if settings.quick else SIZES.get(device.type, SIZES["cpu"])
    report.peaks = {name: matmul_peak(device, name, settings.budget, size) for name in settings.precisions}
    for row in _rows(settings, device, report):
        report.rows.append(row)
        _tell(row)
        report.environment.load_average_end = load_average()
        if out is not None:
            report.write(out)
    return report


def _rows(settings: Settings, device: torch.device, report: Report) -> Iterator[Row]:
    for name in settings.models:
        try:
            model = load_model(name, device)
        except UserError as error:
            yield from (Row(name, precision, "model", name, unmeasured=str(error)) for precision in settings.precisions)
            continue
        flops = _count(model)
        report.models[name] = ModelFacts(model.image_size, model.num_parameters, model.text_tower, *flops)
        for precision in settings.precisions:
            workload = Workload.make(model, precision, settings.batch_size, settings.num_classes)
            timer = RowTimer(name, workload, flops, report.peaks[precision], settings.budget)
            with fixed_arithmetic(device, tf32=precision == "tf32"):
                yield from timer.rows(settings.attacks, settings.defenses)


def _count(model: TimedModel) -> Flops:
    pixels = torch.full((1, 3, model.image_size, model.image_size), 0.5, device=model.device)
    return count_flops(model.encode_image, pixels)


def _tell(row: Row) -> None:
    rate = row.images_per_second
    figure = f"unmeasured: {row.unmeasured}" if rate is None else f"{rate.median:.4g} images/s"
    print(f"{row.model} {row.precision} {row.kind} {row.name}: {figure}", file=sys.stderr, flush=True)
