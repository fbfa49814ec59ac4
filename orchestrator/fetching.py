"""What a run fetches before it begins: the weights that this machine lacks."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console

from orchestrator.expansion import resolve_dataset
from orchestrator.grid import Grid
from scc_core.attacks import attacks
from scc_core.defenses import defenses
from scc_core.models.fetching import fetch_missing
from scc_core.parameters import build


def fetch_models_of(grid: Grid, console: Console) -> None:
    """Fetch the models of a grid that are not on this machine, unless the user has forbidden the network.

    Datasets and parameters are checked first, so that a wrong grid is refused before anything large is downloaded.

    Args:
        grid: as checked.
        console: is told what is fetched.

    Raises:
        UserError: the grid names something that does not exist, or a model cannot be fetched.
    """
    for name in grid.datasets:
        resolve_dataset(name, grid.preprocessing)
    names = [*grid.models, *_named_models(grid)]
    fetch_missing(names, lambda line: console.print(line, highlight=False, soft_wrap=True, markup=False))


def _named_models(grid: Grid) -> Iterator[str]:
    """Yield the further models that attacks and defenses name."""
    for attack in grid.attacks:
        yield from build("attack", attack.name, attacks.get(attack.name), attack.parameters).named_models().values()
    for defense in grid.defenses:
        component = build("defense", defense.name, defenses.get(defense.name), defense.parameters)
        yield from component.named_models().values()
