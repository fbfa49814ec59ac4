"""Time models, attacks and defenses: ``python -m benchmarks.kernels``; ``--render FILE.json...`` draws the tables."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import torch

from benchmarks.kernels.components import all_attacks, all_defenses
from benchmarks.kernels.models import ARCHITECTURES
from benchmarks.kernels.render import render
from benchmarks.kernels.report import Report
from benchmarks.kernels.session import Settings, run
from scc_core.embedded.sources import EMBEDDED_MODELS
from scc_core.errors import UserError
from scc_core.models.base import PRECISIONS

T = TypeVar("T")

QUICK_ATTACKS = ("fgsm", "pgd:num_steps=2", "apgd:num_steps=2", "square:num_queries=5")


def parser() -> argparse.ArgumentParser:
    """Return the command line; options left out depend on ``--quick`` and are None."""
    result = argparse.ArgumentParser(prog="python -m benchmarks.kernels", description=__doc__)
    known = ", ".join((*ARCHITECTURES, *EMBEDDED_MODELS))
    result.add_argument("--models", nargs="+", help=f"{known}; default: the first {len(ARCHITECTURES)}")
    result.add_argument("--attacks", nargs="*", help="such as pgd or pgd:num_steps=2,loss=margin; default: all")
    result.add_argument("--defenses", nargs="*", help="likewise; default: all")
    result.add_argument("--precision", nargs="+", choices=tuple(PRECISIONS), default=["float32"])
    result.add_argument("--batch-size", type=_positive, help="images of a batch; default: 64, on a CPU 4")
    result.add_argument("--classes", type=_positive, default=100, help="random class embeddings; default: 100")
    result.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    result.add_argument("--threads", type=_positive, help="threads of torch on a CPU; default: torch's own choice")
    result.add_argument("--seconds", type=float, help="how long a row is repeated; default: 1")
    result.add_argument(
        "--limit",
        type=float,
        default=60.0,
        help="seconds; rows whose batch would take longer are left out; default: 60",
    )
    result.add_argument("--quick", action="store_true", help="the embedded models and few images: a check, no figures")
    result.add_argument("--note", default="", help="stored with the figures, such as: the machine was shared")
    result.add_argument("--out", type=Path, metavar="FILE", help="JSON file; default: standard output")
    result.add_argument("--render", nargs="+", type=Path, metavar="FILE", help="draw reports as Markdown instead")
    return result


def settings_of(options: argparse.Namespace, device: torch.device) -> Settings:
    """Return what the options ask for on ``device``."""
    quick = options.quick
    models = EMBEDDED_MODELS if quick else ARCHITECTURES
    batch_size = 2 if quick else 64 if device.type == "cuda" else 4
    return Settings(
        models=tuple(options.models or models),
        attacks=tuple(_given(options.attacks, QUICK_ATTACKS if quick else all_attacks())),
        defenses=tuple(_given(options.defenses, all_defenses())),
        precisions=tuple(options.precision),
        batch_size=options.batch_size or batch_size,
        num_classes=options.classes,
        seconds=_given(options.seconds, 0.0 if quick else 1.0),
        limit=options.limit,
        quick=quick,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure or render; returns the exit status."""
    options = parser().parse_args(arguments)
    try:
        if options.render:
            print(render([Report.read(path) for path in options.render]), end="")
        else:
            _measure(options)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    return 0


def _measure(options: argparse.Namespace) -> None:
    if options.threads:
        torch.set_num_threads(options.threads)
    device = _device(options.device)
    report = run(settings_of(options, device), device, options.out, options.note)
    if options.out is None:
        report.write(Path("/dev/stdout"))


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"device {name!r} cannot be used: {str(error).splitlines()[0]}") from None
    return device


def _given(value: T | None, default: T) -> T:
    return default if value is None else value


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive whole number")
    return number


if __name__ == "__main__":
    sys.exit(main())
