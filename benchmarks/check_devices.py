"""Compare CPU and CUDA on the embedded models: ``python -m benchmarks.check_devices``.

Noise bits, and predictions without an attack and under PGD, of every defense. Exit status: 0 if they are the same or
there is no CUDA device, 1 if any differs, 2 if a model cannot be loaded.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import torch

from benchmarks.agreement import SEED, compare
from scc_core.defenses import defenses
from scc_core.errors import UserError
from scc_core.noise import Noise

UNMEASURED = "no CUDA device: unmeasured"

_SAMPLES = 50
_NOISE_SHAPE = (3, 64, 64)


def same_noise(first: torch.device, second: torch.device) -> bool:
    """Tell whether two devices draw the same bits, uniform and normal numbers."""
    sample_ids = torch.arange(_SAMPLES)
    one, other = (Noise(SEED, sample_ids.to(device), "check") for device in (first, second))
    draws = (
        (noise.bits(_NOISE_SHAPE), noise.uniform(_NOISE_SHAPE), noise.normal(_NOISE_SHAPE)) for noise in (one, other)
    )
    return all(torch.equal(left.cpu(), right.cpu()) for left, right in zip(*draws, strict=True))


def report(first: torch.device, second: torch.device, num_samples: int, names: Sequence[str]) -> bool:
    """Print every comparison and tell whether all of them agree."""
    agree = same_noise(first, second)
    print(f"noise: {'the same bits' if agree else 'DIFFERENT BITS'} on {first} and {second}")
    for found in compare(first, second, num_samples, names):
        agree = agree and found.different == 0
        print(
            f"{' '.join(found.case)}: {found.different} of {found.samples} predictions differ; "
            f"margins by at most {found.margin_difference:.2g}"
        )
    return agree


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, if there is a CUDA device; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.check_devices", description=__doc__)
    parser.add_argument("--samples", type=int, default=200, help="samples per dataset; default: 200")
    parser.add_argument("--defenses", nargs="+", default=list(defenses), help="default: all")
    options = parser.parse_args(arguments)
    if not torch.cuda.is_available():
        print(UNMEASURED)
        return 0
    try:
        devices = torch.device("cpu"), torch.device("cuda")
        return 0 if report(*devices, options.samples, options.defenses) else 1
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status


if __name__ == "__main__":
    sys.exit(main())
