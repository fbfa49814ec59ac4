"""What a run fetches before it begins: the weights that this machine lacks."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.grid.expand import expand_provisionally
from orchestrator.grid.schema import Grid
from scc_core.models.hub.cache import is_offline
from scc_core.models.hub.fetch_model import fetch_missing
from scc_core.models.sources import is_open_clip_name


def fetch_models_of(grid: Grid, say: Callable[[str], None], *, stored: bool = False) -> None:
    """Fetch the models of a grid that are not on this machine, unless the user has forbidden the network.

    Nothing is downloaded for a grid that is wrong, or that also names something which cannot be fetched this way.

    Args:
        grid: as parsed.
        say: prints one line about what is fetched.
        stored: whether the grid is that of an earlier run; see :func:`~orchestrator.grid.expand.expand`.

    Raises:
        UserError: the grid is wrong, or a model cannot be fetched.
        NotFetchedError: something is missing that is no model of a hub, or ``HF_HUB_OFFLINE`` is set.
    """
    absent = expand_provisionally(grid, stored=stored).absent
    if not absent:
        return
    if is_offline() or any(one.kind != "model" or not is_open_clip_name(one.name) for one in absent):
        raise absent.error()
    fetch_missing([one.name for one in absent], say)
