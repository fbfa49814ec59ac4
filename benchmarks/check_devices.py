"""Compare CPU and CUDA on the embedded models: ``python -m benchmarks.check_devices``.

Noise bits, and predictions without an attack and under PGD, of the undefended model, TTC and SCC. Exit status: 0 if
they are the same or there is no CUDA device, 1 if any differs, 2 if a model cannot be loaded.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch

from scc_core.attacks import PGD, Attack
from scc_core.datasets.prepared import PreparedDataset
from scc_core.datasets.registry import open_dataset
from scc_core.defenses import defenses
from scc_core.errors import UserError
from scc_core.evaluation import evaluate
from scc_core.models import ZeroShotModel, get_model
from scc_core.noise import Noise
from scc_core.outcomes import Outcomes

UNMEASURED = "no CUDA device: unmeasured"

_SUBJECTS = (("demo-clip", "demo/shapes"), ("demo-biomedclip", "phantom/histology"))
_ATTACKS: Mapping[str, Attack | None] = {"clean": None, "pgd": PGD()}
_DEFENSES = ("none", "ttc", "scc")
_EPSILON = 1 / 255
_SEED = 0
_NOISE_SHAPE = (3, 64, 64)
_BATCH_SIZE = 50

Case = tuple[str, str, str, str]


class Comparison(NamedTuple):
    """What two devices made of the same samples.

    Attributes:
        case: model, dataset, attack, defense.
        samples: number of samples.
        different: how many predictions differ.
        margin_difference: the largest difference of a margin, in logits.
    """

    case: Case
    samples: int
    different: int
    margin_difference: float


def same_noise(first: torch.device, second: torch.device) -> bool:
    """Tell whether two devices draw the same bits, uniform and normal numbers."""
    sample_ids = torch.arange(_BATCH_SIZE)
    one, other = (Noise(_SEED, sample_ids.to(device), "check") for device in (first, second))
    draws = (
        (noise.bits(_NOISE_SHAPE), noise.uniform(_NOISE_SHAPE), noise.normal(_NOISE_SHAPE)) for noise in (one, other)
    )
    return all(torch.equal(left.cpu(), right.cpu()) for left, right in zip(*draws, strict=True))


def compare(first: torch.device, second: torch.device, num_samples: int) -> Iterator[Comparison]:
    """Yield a comparison per embedded model, attack and defense.

    Raises:
        UserError: a model cannot be loaded.
    """
    for model, dataset in _SUBJECTS:
        one, other = (_outcomes(model, dataset, device, num_samples) for device in (first, second))
        for case, outcomes in one.items():
            different = int((outcomes.predictions != other[case].predictions).sum())
            distance = float(np.abs(outcomes.margins - other[case].margins).max())
            yield Comparison(case, len(outcomes), different, distance)


def _outcomes(model: str, dataset: str, device: torch.device, num_samples: int) -> dict[Case, Outcomes]:
    opened = open_dataset(dataset)
    classifier = ZeroShotModel(get_model(model).load(device), opened.prompts())
    prepared = PreparedDataset(opened, "native", classifier.model.image_size)
    parts: dict[Case, list[Outcomes]] = {}
    for start in range(0, num_samples, _BATCH_SIZE):
        positions = range(start, min(start + _BATCH_SIZE, num_samples))
        for (attack, defense), outcomes in _batch(classifier, prepared, positions).items():
            parts.setdefault((model, dataset, attack, defense), []).append(outcomes)
    return {case: Outcomes.concatenate(found) for case, found in parts.items()}


def _batch(
    classifier: ZeroShotModel, prepared: PreparedDataset, positions: Sequence[int]
) -> dict[tuple[str, str], Outcomes]:
    batch = prepared.batch(positions, classifier.model.device)
    chosen = {name: defenses.get(name)() for name in _DEFENSES}
    found = {}
    for name, attack in _ATTACKS.items():
        evaluation = evaluate(classifier, batch, attack=attack, epsilon=_EPSILON, defenses=chosen, seed=_SEED)
        found.update({(name, defense): defended.outcomes for defense, defended in evaluation.defended.items()})
    return found


def report(first: torch.device, second: torch.device, num_samples: int) -> bool:
    """Print every comparison and tell whether all of them agree."""
    agree = same_noise(first, second)
    print(f"noise: {'the same bits' if agree else 'DIFFERENT BITS'} on {first} and {second}")
    for case, samples, different, distance in compare(first, second, num_samples):
        agree = agree and different == 0
        print(f"{' '.join(case)}: {different} of {samples} predictions differ; margins by at most {distance:.2g}")
    return agree


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, if there is a CUDA device; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.check_devices", description=__doc__)
    parser.add_argument("--samples", type=int, default=200, help="samples per dataset; default: 200")
    options = parser.parse_args(arguments)
    if not torch.cuda.is_available():
        print(UNMEASURED)
        return 0
    # TF32 rounds float32 to ten bits, which no CPU does.
    torch.backends.cudnn.allow_tf32 = False
    try:
        return 0 if report(torch.device("cpu"), torch.device("cuda"), options.samples) else 1
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status


if __name__ == "__main__":
    sys.exit(main())
