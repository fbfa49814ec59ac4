"""The record of a benchmark and its JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.kernels.environment import Environment
from benchmarks.kernels.peak import Peak
from benchmarks.kernels.timing import Spread
from scc_core.errors import UserError

FORMAT = 1


@dataclass(frozen=True)
class ModelFacts:
    """What was timed under a model's name; the operations are those of one image in the image tower."""

    image_size: int
    num_parameters: int
    text_tower: str
    forward_flops: int
    backward_flops: int


@dataclass(frozen=True)
class Row:
    """One thing that was timed on one model in one precision.

    Attributes:
        model: name of the model.
        precision: number format of the image tower.
        kind: ``clean`` (a forward pass), ``gradient`` (forward and backward), ``attack`` or ``defense``.
        name: as it was asked for.
        parameters: every parameter of the attack or defense, defaults included.
        unmeasured: why there are no figures; empty if there are.
        repetitions: timed calls, each on one batch.
        images_per_second: over the repetitions.
        forwards_per_image: passes forward through the image tower, metered.
        backwards_per_image: passes backward through it, metered.
        flops_per_image: operations of these passes.
        fraction_of_peak: operations per second (median) over those of the precision's matrix product (median).
        peak_memory: bytes; on a CPU those of the whole process.
    """

    model: str
    precision: str
    kind: str
    name: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    unmeasured: str = ""
    repetitions: int = 0
    images_per_second: Spread | None = None
    forwards_per_image: float = 0.0
    backwards_per_image: float = 0.0
    flops_per_image: float = 0.0
    fraction_of_peak: float | None = None
    peak_memory: int | None = None


@dataclass
class Report:
    """Everything that one call of the benchmark measured."""

    environment: Environment
    settings: Mapping[str, object]
    peaks: dict[str, Peak] = field(default_factory=dict)
    models: dict[str, ModelFacts] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    format: int = FORMAT

    def write(self, path: Path) -> None:
        """Write the report as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1, default=list) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Report:
        """Read what :meth:`write` wrote.

        Raises:
            UserError: there is no such file, or it is no report of this format.
        """
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                environment=Environment(**record["environment"]),
                settings=record["settings"],
                peaks={name: _peak(peak) for name, peak in record["peaks"].items()},
                models={name: ModelFacts(**facts) for name, facts in record["models"].items()},
                rows=[_row(row) for row in record["rows"]],
                format=record["format"],
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{str(path)!r} is no report of benchmarks.kernels, format {FORMAT}: {error!r}") from None


def _peak(record: Mapping[str, Any]) -> Peak:
    return Peak(**{**record, "flops_per_second": Spread(**record["flops_per_second"])})


def _row(record: Mapping[str, Any]) -> Row:
    rate = record["images_per_second"]
    return Row(**{**record, "images_per_second": None if rate is None else Spread(**rate)})
