"""What it costs to compute the same bits every time: ``python -m benchmarks.fixed_arithmetic --out FILE.json``.

Forward and backward passes of architectures with random weights, in the shape and the arithmetic that runs use, with
torch's own defaults in the same shape, and with its defaults in batches four times as large; the three take turns. A
row also tells in how many images a gradient differs between two passes over the same batch.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.kernels.environment import describe
from benchmarks.kernels.models import ARCHITECTURES, TimedModel, load_model
from benchmarks.kernels.timing import Budget, Spread, repeat
from scc_core.attacks.base import input_gradient
from scc_core.errors import UserError
from scc_core.evaluation.measure import fixed_batch_size
from scc_core.machine.arithmetic import fixed_arithmetic
from scc_core.models.base import PRECISIONS

_LARGER = 4


@dataclass(frozen=True)
class Row:
    """One model in one precision and one way of computing; rates are images per second, forward and backward."""

    model: str
    precision: str
    way: str
    batch_size: int
    images_per_second: Spread
    images_that_differ: int


def rows(model: TimedModel, precision: str, seconds: float) -> list[Row]:
    """Time the three ways in turn."""
    size = fixed_batch_size(model.device, model.image_size)
    fixed = lambda: fixed_arithmetic(model.device, tf32=precision == "tf32")  # noqa: E731
    ways: dict[str, tuple[Callable[[], AbstractContextManager[None]], int]] = {
        "fixed": (fixed, size),
        "defaults": (nullcontext, size),
        f"defaults, batch x {_LARGER}": (nullcontext, _LARGER * size),
    }
    found = []
    for way, (arithmetic, batch_size) in ways.items():
        shape = (batch_size, 3, model.image_size, model.image_size)
        pixels = torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(model.device)
        with arithmetic():
            again = [_gradient(model, pixels, precision) for _ in range(2)]
            differ = int((again[0] != again[1]).flatten(1).any(dim=1).sum())
            taken = repeat(lambda batch=pixels: _gradient(model, batch, precision), model.device, Budget(seconds, 60.0))
        found.append(Row(model.name, precision, way, batch_size, Spread.of_rates(batch_size, taken), differ))
    return found


def _gradient(model: TimedModel, pixels: Tensor, precision: str) -> Tensor:
    dtype = PRECISIONS[precision]

    def length(images: Tensor) -> Tensor:
        with torch.autocast(model.device.type, dtype=dtype, enabled=dtype is not torch.float32):
            return model.encode_image(images).float().norm(dim=-1)

    return input_gradient(length, pixels)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fixed_arithmetic", description=__doc__)
    parser.add_argument("--models", nargs="+", default=list(ARCHITECTURES), help="default: all architectures")
    parser.add_argument("--precision", nargs="+", choices=tuple(PRECISIONS), default=["float32"])
    parser.add_argument(
        "--device", default="cuda" if torch.cuda.is_available() else "cpu", help="default: a GPU if any"
    )
    parser.add_argument("--seconds", type=float, default=1.0, help="how long a row is repeated; default: 1")
    parser.add_argument("--out", type=Path, metavar="FILE", help="JSON file")
    options = parser.parse_args(arguments)
    device = torch.device(options.device)
    report = {"environment": asdict(describe(device)), "rows": []}
    try:
        for name in options.models:
            model = load_model(name, device)
            for precision in options.precision:
                for row in rows(model, precision, options.seconds):
                    report["rows"].append(asdict(row))
                    rate = row.images_per_second.median
                    print(
                        f"{name} {precision} {row.way}: batch {row.batch_size}, {rate:.4g} images/s, "
                        f"{row.images_that_differ} differ",
                        flush=True,
                    )
                if options.out:
                    options.out.write_text(json.dumps(report, indent=1), encoding="utf-8")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
