"""Figures that ship with the package, for estimates of devices that the database has not seen.

Kernel measurements are those of ``benchmarks/results``, each with the machine and the day; peaks are those of data
sheets, and give bounds only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict

_PACKAGED = Path(__file__).parent / "kernels"
_CHECKOUT = Path(__file__).parents[2] / "benchmarks" / "results"
_PRECISION = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class Tower:
    """Operations of one image through an image tower, forward and backward to the pixels; a multiply-add is two."""

    forward_flops: float
    backward_flops: float


@dataclass(frozen=True)
class PassSeconds:
    """Measured seconds of one image through a tower."""

    forward: float
    backward: float


@dataclass(frozen=True)
class KernelFigures:
    """What one file of kernel measurements says.

    Attributes:
        device: name of what was measured, with its threads where it is a processor.
        date: the day, as YYYY-MM-DD.
        note: what disturbed the measurement.
        towers: operations by architecture.
        seconds: measured seconds by architecture and precision.
    """

    device: str
    date: str
    note: str
    towers: Mapping[str, Tower]
    seconds: Mapping[tuple[str, str], PassSeconds]


class Reference(BaseModel):
    """The form of ``device_figures.yaml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    towers: Mapping[str, str]
    peaks: Mapping[str, Mapping[_PRECISION, float]]


@cache
def reference() -> Reference:
    """Return the shipped names of towers and peaks of devices."""
    text = Path(__file__).with_name("device_figures.yaml").read_text(encoding="utf-8")
    return Reference.model_validate(yaml.safe_load(text))


@cache
def kernel_figures() -> Sequence[KernelFigures]:
    """Return the shipped kernel measurements, in a wheel as in a checkout."""
    folder = _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT
    return [_figures(json.loads(path.read_text(encoding="utf-8"))) for path in sorted(folder.glob("kernels-*.json"))]


def tower_of(model: str, architecture: str) -> str:
    """Return the name under which kernel figures know a model's image tower; it may be one that they lack.

    Args:
        model: as the grid names it.
        architecture: as its card names it.
    """
    known = {name for figures in kernel_figures() for name in figures.towers}
    named = reference().towers.get(model)
    candidates = [named, architecture, model.rpartition("/")[2]]
    return next((name for name in candidates if name in known and name is not None), architecture)


def tower_flops(tower: str) -> Tower | None:
    """Return the operations of a tower; None where they were not counted."""
    return next((figures.towers[tower] for figures in kernel_figures() if tower in figures.towers), None)


def _figures(document: Mapping[str, Any]) -> KernelFigures:
    environment = document["environment"]
    threads = f", {environment['threads']} thread" if environment["device_type"] == "cpu" else ""
    rates = {
        (row["model"], row["precision"], row["kind"]): row["images_per_second"]["median"]
        for row in document["rows"]
        if row["kind"] in ("clean", "gradient") and not row["unmeasured"]
    }
    return KernelFigures(
        device=f"{environment['device']}{threads}",
        date=environment["date"][:10],
        note=environment.get("note", ""),
        towers={
            name: Tower(facts["forward_flops"], facts["backward_flops"]) for name, facts in document["models"].items()
        },
        seconds={
            (model, precision): PassSeconds(1 / rate, max(0.0, 1 / rates[model, precision, "gradient"] - 1 / rate))
            for (model, precision, kind), rate in rates.items()
            if kind == "clean" and (model, precision, "gradient") in rates
        },
    )
