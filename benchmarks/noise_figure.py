"""How many predictions another processor flips, beside another seed: ``python -m benchmarks.noise_figure``.

Every defense on the embedded models, clean and under PGD at 1/255, as a run computes it on a CPU: with this processor's
own instructions, with older ones, as other processors have, and with a second seed. Prints a Markdown table of the
predictions, of all samples, that differ from the first. ``--save`` keeps the predictions of one way, such as those of
another machine, and ``--against`` compares with what was saved.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.agreement import SUBJECTS, outcomes_of
from scc_core.defenses import defenses
from scc_core.errors import UserError

Predictions = Mapping[str, npt.NDArray[np.int32]]

WAYS: Mapping[str, Mapping[str, str]] = {
    "SSE4.1": {"ATEN_CPU_CAPABILITY": "default", "DNNL_MAX_CPU_ISA": "SSE41", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"},
    "MKL's oldest": {"MKL_CBWR": "COMPATIBLE"},
}
"""Environment variables with which a processor computes as others do."""


def predictions(num_samples: int, names: Sequence[str], seed: int) -> dict[str, npt.NDArray[np.int32]]:
    """Return by attack and defense the predictions on both models, one after the other."""
    found: dict[str, list[npt.NDArray[np.int32]]] = {}
    for model, dataset in SUBJECTS:
        for (_, _, attack, defense), outcomes in outcomes_of(
            model, dataset, torch.device("cpu"), num_samples, names, seed
        ).items():
            found.setdefault(f"{attack} {defense}", []).append(outcomes.predictions)
    return {case: np.concatenate(parts) for case, parts in found.items()}


def table(plain: Predictions, others: Mapping[str, Predictions]) -> str:
    """Return a Markdown table of how many predictions differ from ``plain``, clean and under PGD."""
    names = list(dict.fromkeys(case.split(" ", 1)[1] for case in plain))
    head = ["defense", "samples", *others]
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    for name in names:
        cases = [f"{attack} {name}" for attack in ("clean", "pgd")]
        cells = [
            " + ".join(str(int((plain[case] != other[case]).sum())) for case in cases if case in other)
            for other in others.values()
        ]
        lines.append(f"| {name} | {' + '.join(str(len(plain[case])) for case in cases)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compute and compare; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.noise_figure", description=__doc__)
    parser.add_argument("--samples", type=int, default=200, help="samples per dataset; default: 200")
    parser.add_argument("--defenses", nargs="+", default=list(defenses), help="default: all")
    parser.add_argument("--seed", type=int, default=0, help="of --save; default: 0")
    parser.add_argument("--save", type=Path, metavar="FILE", help="only keep this machine's predictions")
    parser.add_argument(
        "--against", type=Path, nargs="+", default=[], metavar="FILE", help="what --save kept elsewhere"
    )
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    try:
        plain = predictions(options.samples, options.defenses, options.seed)
        if options.save:
            np.savez(options.save, **plain)  # type: ignore[arg-type]
            return 0
        others = {path.stem: dict(np.load(path)) for path in options.against} or _elsewhere(options)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    print(table(plain, others))
    return 0


def _elsewhere(options: argparse.Namespace) -> dict[str, Predictions]:
    """Return the predictions of every way, and of the next seed, each computed in a process of its own."""
    asked = [(way, variables, options.seed) for way, variables in WAYS.items()]
    found: dict[str, Predictions] = {}
    for way, variables, seed in [*asked, ("another seed", {}, options.seed + 1)]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "found.npz"
            what = ["--samples", str(options.samples), "--seed", str(seed), "--defenses", *options.defenses]
            command = [sys.executable, "-m", "benchmarks.noise_figure", *what, "--save", str(path)]
            subprocess.run(command, env={**os.environ, **variables}, check=True)
            found[way] = dict(np.load(path))
    return found


if __name__ == "__main__":
    sys.exit(main())
