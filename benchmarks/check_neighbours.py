"""Count images whose outcome depends on the other images of their batch: ``python -m benchmarks.check_neighbours``.

Every attack, every defense, and every way through a defense that an adaptive attacker may take. A batch has the size
that a run gives it on the device; half of its images are replaced, by other images and by black ones, and what is
stored of the first half is compared bit by bit; so is the same batch computed twice. Exit status: 0 if no bit
differs, 1 if any does, 2 if a model cannot be loaded.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.kernels.models import load_model
from scc_core.attacks import attacks
from scc_core.batch import Batch
from scc_core.components.component import Component
from scc_core.datasets import PreparedDataset, open_dataset
from scc_core.defenses import Defense, defenses
from scc_core.errors import UserError
from scc_core.evaluation.evaluate import evaluate
from scc_core.evaluation.measure import fixed_batch_size
from scc_core.evaluation.threat import Adaptive, Threat
from scc_core.models import get_model
from scc_core.models.base import VisionLanguageModel, ZeroShotModel

SUBJECTS = {"demo-clip": "demo/shapes", "demo-biomedclip": "phantom/histology"}
EPSILON = 1 / 255
SHORT: Mapping[str, Mapping[str, Any]] = {
    "agc": {"num_views": 2},
    "apgd": {"num_steps": 6, "num_restarts": 2},
    "autoattack": {"num_steps": 5, "num_targets": 2, "num_queries": 20},
    "cw-linf": {"num_steps": 3, "num_restarts": 3},
    "doc": {"num_steps": 2, "num_copies": 2},
    "fab-t": {"num_steps": 4, "num_targets": 2},
    "hedge": {"num_steps": 3},
    "mac": {"num_steps": 2},
    "pgd": {"num_steps": 2, "num_restarts": 2},
    "r-tpt": {"num_views": 3},
    "square": {"num_queries": 25},
    "surrogate": {"num_steps": 3},
    "tte": {"num_crops": 2},
    "view-eot": {"num_steps": 2, "num_restarts": 2},
}
"""Parameters that make components quick, with restarts that only some images need."""


class Case(NamedTuple):
    """What is done to a batch."""

    threat: Threat
    defense: Component[Defense]

    def __str__(self) -> str:
        known = self.threat.adaptive
        through = "" if known is None else f" through {known.gradients}"
        return f"{self.threat.label}{through}, {self.defense.name}"


def cases() -> Iterator[Case]:
    """Yield every attack, every defense, every way through a defense, and every attack on a randomised defense."""
    for name in attacks:
        yield Case(Threat(_short("attack", name), EPSILON), _short("defense", "none"))
    for name in defenses:
        yield Case(Threat(_short("attack", "fgsm"), EPSILON), _short("defense", name))
        for way in defenses.get(name).gradients if name != "none" else ():
            threat = Threat(_short("attack", "pgd"), EPSILON, Adaptive(way, eot_draws=2))
            yield Case(threat, _short("defense", name))
    for name in attacks:
        if name not in ("pgd", "surrogate"):
            yield Case(Threat(_short("attack", name), EPSILON, Adaptive("bpda")), _short("defense", "ttc"))


def _short(kind: Any, name: str) -> Component[Any]:
    return Component(kind, name, SHORT.get(name, {}))


def batches(images: Batch) -> Iterator[Batch]:
    """Yield a batch of two thirds of the images, one whose second half is the last third, and one where it is black."""
    size = 2 * len(images) // 3
    kept = size // 2
    for rows in ([*range(size)], [*range(kept), *range(size, size + size - kept)], [*range(size)]):
        yield Batch(images.pixels[rows], images.labels[rows], images.sample_ids[rows])
    black = torch.cat([images.pixels[:kept], torch.zeros_like(images.pixels[kept:size])])
    yield Batch(black, images.labels[:size], images.sample_ids[:size])


def differing(classifier: ZeroShotModel, images: Batch, case: Case) -> int:
    """Return how many images of the first half have another outcome in any of :func:`batches`."""
    found = [_bits(classifier, batch, case) for batch in batches(images)]
    return int(np.any([(found[0] != other).any(axis=1) for other in found[1:]], axis=0).sum())


def _bits(classifier: ZeroShotModel, batch: Batch, case: Case) -> npt.NDArray[np.uint32]:
    evaluation = evaluate(classifier, batch, threat=case.threat, defenses={"": case.defense}, keep_images=True)
    outcomes = evaluation.defended[""].outcomes
    numbers = np.stack([outcomes.margins, outcomes.confidences, evaluation.gradients], axis=1)
    attacked = np.empty((len(batch), 0), np.float32)
    if evaluation.images is not None:
        attacked = evaluation.images.flatten(1).cpu().numpy()
    everything = np.concatenate([numbers, attacked, outcomes.predictions[:, None].astype(np.float32)], axis=1)
    return everything[: len(batch) // 2].view(np.uint32)


def report(model: VisionLanguageModel, dataset: str, precision: str, only: Sequence[str]) -> bool:
    """Print every case and tell whether no bit differs."""
    opened = open_dataset(dataset)
    size = fixed_batch_size(model.device, model.image_size)
    images = PreparedDataset(opened, "native", model.image_size).batch(range(max(3, size + size // 2)), model.device)
    classifier = ZeroShotModel(model, opened.prompts(), precision)
    agree = True
    for case in cases():
        if (
            only
            and case.defense.name not in only
            and (case.threat.attack is None or case.threat.attack.name not in only)
        ):
            continue
        try:
            count = differing(classifier, images, case)
        except UserError as error:
            print(f"{model.name} {precision}, {case}: left out: {error}")
            continue
        agree = agree and not count
        print(f"{model.name} {precision}, {case}: {count} of {max(3, size + size // 2) // 3} images differ", flush=True)
    return agree


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.check_neighbours", description=__doc__)
    parser.add_argument("--models", nargs="+", default=list(SUBJECTS), help="embedded ones, or those of the kernels")
    parser.add_argument(
        "--device", default="cuda" if torch.cuda.is_available() else "cpu", help="default: a GPU if any"
    )
    parser.add_argument("--precision", default="float32", help="default: float32")
    parser.add_argument("--only", nargs="+", default=[], help="attacks and defenses; default: all")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    device, agree = torch.device(options.device), True
    try:
        for name in options.models:
            model = get_model(name).load(device) if name in SUBJECTS else load_model(name, device)
            agree &= report(model, SUBJECTS.get(name, "demo/photos"), options.precision, options.only)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
