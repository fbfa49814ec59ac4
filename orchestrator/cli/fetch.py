"""Commands that bring what a run needs onto this machine, ahead of it: fetch models, fetch datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import messages, print_line
from scc_core.errors import NotFetchedError

if TYPE_CHECKING:
    from scc_core.datasets.cards import Description

group = typer.Typer(
    help="Download what a run needs ahead of it, for machines and clusters that have no network later.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Add the group of this module's commands."""
    app.add_typer(group, name="fetch")


@group.command("models")
def fetch_models(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Models as grids name them.")],
) -> None:
    """Download models into the hub's cache, continue what was interrupted, and verify what arrived.

    The cache is HF_HUB_CACHE, else `hub` in HF_HOME; HF_ENDPOINT names a mirror, HF_TOKEN opens gated repositories.
    """
    from scc_core.models.hub.fetch_model import fetch_model

    for name in names:
        digest = fetch_model(name, _say)
        _say(f"{name}: verified, digest {digest[:12]}")


@group.command("datasets")
def fetch_datasets(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Datasets as grids name them.")],
    keep_archives: Annotated[
        bool, typer.Option("--keep-archives", help="Leave the archives beside what was unpacked from them.")
    ] = False,
) -> None:
    """Download datasets, check and unpack them, and hash their images, or print the steps that a person takes."""
    from scc_core.datasets.fetch.fetch_dataset import describe_fetchable, fetch_address, fetch_dataset, is_address

    descriptions = [describe_fetchable(name) for name in names if not is_address(name)]
    for name in filter(is_address, names):
        own = fetch_address(name)
        _say(f"{name}: {len(own):,} images, version {own.version[:12]}")
    missing = []
    for description in descriptions:
        name = description.card.name
        try:
            dataset = fetch_dataset(description, keep_archives=keep_archives)
        except NotFetchedError:
            if description.download:
                raise
            missing.append(name)
            _say_steps(description)
        else:
            _say(f"{name}: {len(dataset):,} images in {dataset.folder}, version {dataset.version[:12]}")
    if missing:
        raise NotFetchedError(f"no program may download {', '.join(missing)}; the steps above bring them")


def _say_steps(description: Description) -> None:
    from scc_core.machine.folders import data_folder

    card = description.card
    _say(f"{card.name}: only a person may download it ({card.licence}). The data folder is {data_folder()}.")
    for number, step in enumerate(card.obtain, start=1):
        _say(f"  {number}. {step}")
    _say("  Expected there:")
    for path in card.layout.splitlines():
        _say(f"    {path}")


def _say(text: str) -> None:
    print_line(messages(), text)
