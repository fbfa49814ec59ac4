"""Commands that bring what a run needs onto this machine, ahead of it: fetch models, fetch datasets."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.options import messages

group = typer.Typer(
    help="Download what a run needs ahead of it, for machines and clusters that have no network later.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Add the group of this module's commands."""
    app.add_typer(group, name="fetch")


@group.callback()
def _fetch() -> None:
    """Keep `fetch` a group, whatever the number of its commands."""


@group.command("models")
def fetch_models(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Models as grids name them.")],
) -> None:
    """Download the weights of models into the hub's cache and check them."""
    from scc_core.models import get_model

    for name in names:
        digest = get_model(name).digest()
        messages().print(f"{name}: weights {digest[:12]}", highlight=False, soft_wrap=True)
