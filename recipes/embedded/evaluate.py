"""Clean zero-shot accuracy on the embedded test sets: ``python -m recipes.embedded.evaluate MODEL``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from scc_core.datasets.base import Dataset
from scc_core.datasets.rendered.entries import EMBEDDED_DATASETS
from scc_core.embedded.sources import EMBEDDED_MODELS, embedded_model_source
from scc_core.errors import UserError
from scc_core.models.open_clip.loader import OpenClipParts, load_open_clip

_BATCH_SIZE = 200


def class_embeddings(parts: OpenClipParts, dataset: Dataset) -> Tensor:
    """Return the normalised mean text embedding of every class, ``(K, D)`` float32."""
    module: Any = parts.module
    rows = []
    with torch.inference_mode():
        for prompts in dataset.prompts().values():
            embeddings = functional.normalize(module.encode_text(parts.tokenizer(prompts)), dim=-1)
            rows.append(functional.normalize(embeddings.mean(dim=0), dim=-1))
    return torch.stack(rows)


def embed_images(parts: OpenClipParts, dataset: Dataset, indices: Sequence[int]) -> Tensor:
    """Return the normalised embeddings of some images, ``(N, D)`` float32."""
    module: Any = parts.module
    pixels = torch.from_numpy(np.stack([dataset.image(index) for index in indices])).permute(0, 3, 1, 2) / 255.0
    mean, std = torch.tensor(parts.mean).view(3, 1, 1), torch.tensor(parts.std).view(3, 1, 1)
    with torch.inference_mode():
        return functional.normalize(module.encode_image((pixels - mean) / std), dim=-1)


def predictions(parts: OpenClipParts, dataset: Dataset, max_samples: int | None = None) -> npt.NDArray[np.int64]:
    """Classify the first ``max_samples`` images; returns ``(N,)`` int64 labels."""
    classes = class_embeddings(parts, dataset)
    size = min(len(dataset), max_samples or len(dataset))
    batches = [range(first, min(first + _BATCH_SIZE, size)) for first in range(0, size, _BATCH_SIZE)]
    found = [(embed_images(parts, dataset, batch) @ classes.T).argmax(dim=-1) for batch in batches]
    return np.asarray(torch.cat(found).numpy(), dtype=np.int64)


def clean_accuracy(parts: OpenClipParts, dataset: Dataset, max_samples: int | None = None) -> float:
    """Return the zero-shot accuracy in [0, 1] on the first ``max_samples`` unattacked images."""
    predicted = predictions(parts, dataset, max_samples)
    return float((predicted == dataset.labels[: len(predicted)]).mean())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m recipes.embedded.evaluate", description=__doc__)
    parser.add_argument("model", help=f"{', '.join(EMBEDDED_MODELS)}, or any open_clip source such as local-dir:PATH")
    parser.add_argument("--max-samples", type=int, default=None, help="images per dataset; default: all")
    parser.add_argument("--datasets", nargs="+", default=list(EMBEDDED_DATASETS), choices=list(EMBEDDED_DATASETS))
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one line per dataset: name, accuracy in percent, number of images."""
    options = _parser().parse_args(arguments)
    try:
        source = embedded_model_source(options.model) if options.model in EMBEDDED_MODELS else options.model
        parts = load_open_clip(source)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for name in options.datasets:
        dataset = EMBEDDED_DATASETS[name]()
        predicted = predictions(parts, dataset, options.max_samples)
        accuracy = 100.0 * float((predicted == dataset.labels[: len(predicted)]).mean())
        print(f"{name:22s} {accuracy:5.1f} %  n={len(predicted)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
