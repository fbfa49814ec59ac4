"""What every component of scc-bench predicts on a few images, as a table.

``python -m tests.scc_core.reference_predictions`` writes it. The numbers are computed in float64, where another
processor, batch or number of threads moves a margin by far less than a change of a method does. A row holds the version
of the numerics that it was made with, the predictions and the margins. Who changes numerics raises the ``version`` of
the component, and then writes the table anew.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
import pytest
import torch

from scc_core.attacks import attacks
from scc_core.batch import Batch
from scc_core.components.component import Component
from scc_core.datasets import open_dataset
from scc_core.datasets.order import sample_order
from scc_core.datasets.pixels.preprocessing import PREPROCESSING_VERSIONS, PREPROCESSINGS
from scc_core.defenses import defenses
from scc_core.defenses.base import Gradients
from scc_core.errors import UserError
from scc_core.evaluation.evaluate import evaluate
from scc_core.evaluation.threat import Adaptive, Threat
from scc_core.models import ZeroShotModel, get_model
from scc_core.models.open_clip.model import OpenClipEntry
from scc_core.noise import Noise

TABLE = Path(__file__).parent / "data" / "reference_predictions.json"
MODELS = {"demo-clip": "demo/shapes", "demo-biomedclip": "phantom/histology"}
POSITIONS = (0, 1, 2, 3, 4, 5)
EPSILON = 4 / 255
FEW = {"num_steps": 3, "num_queries": 60, "num_targets": 2, "num_views": 6}
"""Parameters that make a component quick, of those that it has."""
OPTIONS: dict[str, tuple[dict[str, Any], ...]] = {
    "apgd": ({}, {"loss": "dlr"}, {"loss": "dlr-targeted"}),
    "csr": ({"threshold": 1.0},),
    "doc": ({}, {"tau": 1.0}),
    "low-pass": ({"radius": 12.0},),
    "mac": ({}, {"tau": 10.0}),
    "pgd": ({}, {"norm": "l2", "relative_step_size": 0.3}, {"targeted": True}, {"loss": "embedding"}),
    "scc": ({}, {"tau": 0.0}, {"semantic": False}, {"spatial": False}),
    "surrogate": ({"source": "demo-biomedclip"}, {"source": "demo-clip"}),
    "ttc": ({}, {"tau": 0.0}),
}
"""By component, the sets of parameters that make it compute something else; one of defaults for the others."""
THROUGH = {"bpda": "ttc", "unrolled": "views"}
"""By the way of the gradients, the defense through which a threat model is shown: both draw random numbers."""
DRAWS = (1, 2)
NONE: Component = Component("defense", "none")

Row = dict[str, Any]


class Case(NamedTuple):
    """A component with the version of its numerics, and what computes its row."""

    version: int
    row: Callable[[], Row]


def cases() -> dict[str, Case]:
    """Return a case for every registered component and every model, by a name that says both."""
    found: dict[str, Case] = {}
    for name in MODELS:
        found[f"model {name}"] = Case(OpenClipEntry.version, partial(predicted, name, Threat(None, 0.0), NONE))
        for attack in (one for registered in attacks for one in brief("attack", registered)):
            threat = Threat(attack, EPSILON, seed=1)
            found[f"attack {attack.label} on {name}"] = Case(attack.version, partial(predicted, name, threat, NONE))
        for defense in (one for registered in defenses for one in brief("defense", registered)):
            threat = Threat(None, 0.0, seed=1)
            found[f"defense {defense.label} on {name}"] = Case(
                defense.version, partial(predicted, name, threat, defense)
            )
        for gradients in (way for way in get_args(Gradients) if way != "none"):
            for draws in DRAWS:
                threat = Threat(brief("attack", "pgd")[0], EPSILON, Adaptive(gradients, draws), seed=1)
                through = brief("defense", THROUGH[gradients])[0]
                found[f"threat model adaptive ({gradients}, {draws} draws) on {name}"] = Case(
                    Adaptive.version, partial(predicted, name, threat, through)
                )
    for name in PREPROCESSINGS:
        found[f"preprocessing {name}"] = Case(PREPROCESSING_VERSIONS[name], partial(prepared, name))
    return found


def brief(kind: Any, name: str) -> list[Component]:
    """Return a registered component with each set of its options, with few steps, resolved."""
    implementation = {"attack": attacks, "defense": defenses}[kind].get(name)
    defaults = {field.name: field.default for field in dataclasses.fields(implementation)}
    few = {key: min(number, defaults[key]) for key, number in FEW.items() if key in defaults}
    return [Component(kind, name, {**few, **options}).resolved() for options in OPTIONS.get(name, ({},))]


def predicted(model: str, threat: Threat, defense: Component) -> Row:
    """Return predictions and margins of a model's images; what a component refuses is its row, too."""
    with double_precision():
        try:
            found = evaluate(classifier(model), batch(model), threat=threat, defenses={"": defense})
        except UserError as error:
            return {"refused": str(error)}
        outcomes = found.defended[""].outcomes
    return {"predictions": outcomes.predictions.tolist(), "margins": [round(float(one), 5) for one in outcomes.margins]}


def prepared(name: str) -> Row:
    """Return predictions and margins of images of other sizes than the model's, resized and cropped."""
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 256, (4, 9, 12, 3), dtype=np.uint8)
    sizes = [(9, 9), (13, 13), (13, 9), (5, 20)]
    images = [image.repeat(high, 0).repeat(wide, 1) for image, (high, wide) in zip(coarse, sizes, strict=True)]
    pixels = np.stack([PREPROCESSINGS[name](image, 64) for image in images])
    with double_precision(), torch.no_grad():
        logits = classifier("demo-clip")(torch.from_numpy(pixels).permute(0, 3, 1, 2).double() / 255)
    top = logits.topk(2, dim=1)
    margins = (top.values[:, 0] - top.values[:, 1]).tolist()
    return {"predictions": top.indices[:, 0].tolist(), "margins": [round(one, 5) for one in margins]}


@contextmanager
def double_precision() -> Iterator[None]:
    """Compute in float64: ``float()`` gives float64, too."""
    before = torch.get_default_dtype()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.Tensor, "float", torch.Tensor.double)
        torch.set_default_dtype(torch.float64)
        try:
            yield
        finally:
            torch.set_default_dtype(before)


@cache
def classifier(name: str) -> ZeroShotModel:
    """Return a demonstration model in float64; to be called in :func:`double_precision`."""
    model: Any = get_model(name).load(torch.device("cpu"))
    model._module.double()
    model._mean, model._std = model._mean.double(), model._std.double()
    return ZeroShotModel(model, open_dataset(MODELS[name]).prompts())


@cache
def batch(name: str) -> Batch:
    """Return images of a model's dataset, the second half of them with strong noise."""
    dataset = open_dataset(MODELS[name])
    ids = torch.from_numpy(sample_order(dataset)[list(POSITIONS)])
    pixels = torch.stack([torch.from_numpy(dataset.image(int(one))).permute(2, 0, 1) for one in ids]).double() / 255
    noise = Noise(0, ids).uniform(tuple(pixels.shape[1:]), -16 / 255, 16 / 255)
    noise[: len(ids) // 2] = 0
    return Batch((pixels + noise).clamp(0, 1), torch.from_numpy(dataset.labels)[ids], ids)


def main() -> None:
    """Write the table."""
    rows = {name: {"version": case.version, **case.row()} for name, case in cases().items()}
    lines = [f"{json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items()]
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
