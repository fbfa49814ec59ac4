"""Write a model folder's card from what the training run recorded and what the evaluation measures."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

import torch

from recipes.embedded.evaluate import predictions
from recipes.embedded.recipes import Recipe
from recipes.embedded.training import TrainingReport
from scc_core.datasets.rendered.datasets import HELD_OUT_CLASSES
from scc_core.datasets.rendered.entries import EMBEDDED_DATASETS
from scc_core.models.open_clip.loader import OpenClipParts, load_open_clip

RECORD_NAME = "training.json"
HELD_OUT_ROW = "demo/compose, held-out combinations"
_TEMPLATE = Path(__file__).parent / "recipes" / "card.md"


def write_training_record(
    folder: Path, report: TrainingReport, *, seed: int, requested_images: int, device: str
) -> None:
    """Write ``training.json``: what was run, where, and for how long."""
    record = {
        "seed": seed,
        "requested_images": requested_images,
        "num_images": report.num_images,
        "num_rendered": report.num_rendered,
        "minutes": round(report.seconds / 60.0, 1),
        "threads": torch.get_num_threads(),
        "machine": _machine(device),
        "torch_version": torch.__version__,
        "first_loss": round(report.losses[0], 3),
        "last_loss": round(report.losses[-1], 3),
    }
    (folder / RECORD_NAME).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _machine(device: str) -> str:
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    cpu_list = Path("/proc/cpuinfo")
    lines = cpu_list.read_text(encoding="utf-8").splitlines() if cpu_list.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()} (CPU)"


def measure_accuracies(parts: OpenClipParts, max_samples: int | None = None) -> dict[str, tuple[float, int]]:
    """Return for every embedded test set the clean accuracy in percent and the number of images.

    ``demo/compose`` has a second entry for the combinations that training never showed.
    """
    measured: dict[str, tuple[float, int]] = {}
    for name, make in EMBEDDED_DATASETS.items():
        dataset = make()
        predicted = predictions(parts, dataset, max_samples)
        labels = dataset.labels[: len(predicted)]
        right = predicted == labels
        measured[name] = (100.0 * float(right.mean()), len(right))
        if name == "demo/compose":
            unseen = right[[int(label) in HELD_OUT_CLASSES for label in labels]]
            measured[HELD_OUT_ROW] = (100.0 * float(unseen.mean()), len(unseen))
    return measured


def _table(measured: Mapping[str, tuple[float, int]], recipe: Recipe) -> str:
    rows = ["| test set | accuracy / % | images | the model's own |", "|---|---|---|---|"]
    for name, (accuracy, size) in measured.items():
        own = "yes" if name.partition(",")[0] in recipe.own_datasets else "no"
        rows.append(f"| {name} | {accuracy:.1f} | {size} | {own} |")
    return "\n".join(rows)


def render_card(
    recipe: Recipe, record: Mapping[str, Any], measured: Mapping[str, tuple[float, int]], num_parameters: int
) -> str:
    """Fill the card's template."""
    own = [measured[name][0] for name in recipe.own_datasets]
    return Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        record,
        name=recipe.name,
        summary=recipe.summary,
        training_data=recipe.training_data,
        selection_note=recipe.selection_note,
        licence_note=recipe.licence_note,
        batch_size=recipe.batch_size,
        learning_rate=recipe.learning_rate,
        num_parameters=f"{num_parameters / 1e6:.2f} million",
        accuracies=_table(measured, recipe),
        own_mean=f"{sum(own) / len(own):.1f}",
    )


def write_card(folder: Path, recipe: Recipe, max_samples: int | None = None) -> None:
    """Measure a trained folder and write its ``README.md``."""
    parts = load_open_clip(f"local-dir:{folder}")
    record = json.loads((folder / RECORD_NAME).read_text(encoding="utf-8"))
    num_parameters = sum(parameter.numel() for parameter in parts.module.parameters())
    card = render_card(recipe, record, measure_accuracies(parts, max_samples), num_parameters)
    (folder / "README.md").write_text(card, encoding="utf-8")
