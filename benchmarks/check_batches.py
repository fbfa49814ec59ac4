"""Compare batch sizes on the embedded models, on one CPU thread: ``python -m benchmarks.check_batches``.

Every defense, without an attack and under PGD, in batches of 1 and of 7 images against batches of 64. Exit status: 0
if every prediction is the same, 1 if any differs, 2 if a model cannot be loaded. Margins that differ are counted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import torch

from benchmarks.agreement import Setting, compare
from scc_core.defenses import defenses
from scc_core.errors import UserError

BATCH_SIZES = (1, 7)
REFERENCE = 64


def report(num_samples: int, names: Sequence[str]) -> bool:
    """Print every comparison and tell whether all predictions agree."""
    cpu = torch.device("cpu")
    agree = True
    for batch_size in BATCH_SIZES:
        for found in compare(Setting(cpu, REFERENCE), Setting(cpu, batch_size), num_samples, names):
            agree = agree and found.different == 0
            print(
                f"batch {batch_size} against {REFERENCE}, {' '.join(found.case)}: {found.different} of {found.samples} "
                f"predictions differ, {found.different_margins} margins, by at most {found.margin_difference:.2g}"
            )
    return agree


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.check_batches", description=__doc__)
    parser.add_argument("--samples", type=int, default=128, help="samples per dataset; default: 128")
    parser.add_argument("--defenses", nargs="+", default=list(defenses), help="default: all")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    try:
        return 0 if report(options.samples, options.defenses) else 1
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status


if __name__ == "__main__":
    sys.exit(main())
