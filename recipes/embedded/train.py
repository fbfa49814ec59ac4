"""Train a demonstration model: ``python -m recipes.embedded.train demo-clip --out DIR``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch

from recipes.embedded.cards import write_card, write_training_record
from recipes.embedded.recipes import load_recipe, recipe_names
from recipes.embedded.training import train_model


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m recipes.embedded.train", description=__doc__)
    parser.add_argument("model", choices=recipe_names())
    parser.add_argument("--out", type=Path, required=True, help="folder to write; made if absent")
    parser.add_argument("--images", type=int, default=None, help="images seen in training; default: the recipe's")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto", help="a torch device; auto takes CUDA where there is one")
    parser.add_argument("--threads", type=int, default=None, help="CPU threads; default: torch's own choice")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, print progress, and write the folder with its card."""
    options = _parser().parse_args(arguments)
    recipe = load_recipe(options.model)
    if options.threads:
        torch.set_num_threads(options.threads)
    device = options.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    num_images = options.images or recipe.num_images
    progress = partial(print, flush=True)
    report = train_model(
        recipe, options.out, num_images=num_images, seed=options.seed, device=device, progress=progress
    )
    write_training_record(options.out, report, seed=options.seed, requested_images=num_images, device=device)
    write_card(options.out, recipe)
    print(
        f"{recipe.name}: {report.num_images} images seen, {report.num_rendered} rendered, "
        f"{report.seconds / 60:.1f} min on {device} with {torch.get_num_threads()} threads -> {options.out}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
