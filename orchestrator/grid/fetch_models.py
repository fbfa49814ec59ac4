"""What a run fetches before it begins: the weights that this machine lacks."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.grid.expand import expand_provisionally
from orchestrator.grid.schema import Grid
from scc_core.models.hub.cache import is_offline
from scc_core.models.hub.fetch_model import fetch_missing
from scc_core.models.sources import is_open_clip_name


def fetch_models_of(grid: Grid, say: Callable[[str], None]) -> None:
    """Fetch the models of a grid that are not on this machine, unless the user has forbidden the network.

    The grid is checked first, so that a wrong one is refused before anything large is downloaded, and so is one that
    would lack something else in the end.

    Args:
        grid: as parsed.
        say: prints one line about what is fetched.

    Raises:
        UserError: the grid is wrong, names what no command fetches by itself, or a model cannot be fetched.
        NotFetchedError: something is missing, and ``HF_HUB_OFFLINE`` is set or no hub has it.
    """
    absent = expand_provisionally(grid).absent
    if not absent:
        return
    if is_offline() or any(one.kind != "model" or not is_open_clip_name(one.name) for one in absent):
        raise absent.error()
    fetch_missing([one.name for one in absent], say)
