"""A run from Python: what ``sccbench run`` does, as one call."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import polars as pl
import yaml
from rich.console import Console

from orchestrator.cluster.options import RunOptions
from orchestrator.driver.api import run_grid
from orchestrator.driver.display import ConsoleDisplay
from orchestrator.driver.driver import RunResult
from orchestrator.grid.schema import Grid, grid_text, load_grid, parse_grid
from orchestrator.results.sample_outcomes import sample_outcomes
from orchestrator.store import ResultStore, database_of_environment, is_sqlite, parse_url
from scc_core.errors import UserError
from scc_core.machine.settings import DEFAULT_DATABASE


@dataclass(frozen=True)
class Run:
    """A run that has ended.

    Attributes:
        id: under which the database and the commands know it.
        database: URL of the results database.
        failed: number of cells that failed.
        measured: number of blocks of cells that this call measured; what was measured before does not count.
    """

    id: str
    database: str
    failed: int
    measured: int

    def results(self) -> pl.DataFrame:
        """Return a row for each cell of the run, with the columns of the view ``run_results``."""
        with ResultStore.open(self.database, create=False) as store:
            return store.results(self.id)

    def samples(self) -> pl.DataFrame:
        """Return a row for each cell and sample of the run, by name: see ``orchestrator.results.sample_outcomes``."""
        with ResultStore.open(self.database, create=False) as store:
            return sample_outcomes(store, store.cells(self.id))

    def __repr__(self) -> str:
        verdict = RunResult(self.id, self.failed, self.measured).verdict
        return f"Run({self.id}: {verdict}, {self.measured} blocks measured)"


def run(
    grid: Mapping[str, Any] | str | Path | Grid,
    database: str | Path | None = None,
    *,
    strict: bool = False,
    quiet: bool = False,
    **options: Any,
) -> Run:
    """Measure every cell of a grid that a database does not hold yet.

    Args:
        grid: a mapping with the keys of a grid file, the path of one, or a grid that was read before. Numbers and
            arrays of numpy and paths mean what the numbers, lists and texts of a file mean.
        database: URL of the results database, or the path of an SQLite file; it is made if it does not exist. None
            takes what ``SCCBENCH_DB`` or ``SCCBENCH_DB_FILE`` names, else ``sccbench.db`` in the working folder.
        strict: whether datasets that leave something out are refused.
        quiet: whether to print nothing; by default the progress is printed.
        options: those of :class:`~orchestrator.cluster.options.RunOptions`, such as ``num_workers`` and ``address``.

    Raises:
        UserError: the grid, the database or an option is wrong; nothing was computed.
        RunInterruptedError: the run was interrupted; ``sccbench resume`` continues it.
    """
    try:
        chosen = RunOptions(**options)
    except TypeError:
        allowed = ", ".join(RunOptions.__dataclass_fields__)
        raise UserError(f"unknown option among {', '.join(options)}; the options of a run are {allowed}") from None
    checked, text = _read(grid)
    if not (database is None or isinstance(database, str | Path)):
        raise UserError(f"the database is {database!r}, expected the path of a file or a URL")
    parsed = parse_url(str(database or "") or database_of_environment() or DEFAULT_DATABASE)
    if is_sqlite(parsed):
        # The file stays the same when the program turns to another working folder.
        parsed = parsed.set(database=str(Path(str(parsed.database)).absolute()))
    url = parsed.render_as_string(hide_password=False)
    result = run_grid(checked, text, url, chosen, ConsoleDisplay(Console(quiet=quiet)), strict=strict)
    return Run(result.run, url, result.failed, result.measured)


def _read(grid: Mapping[str, Any] | str | Path | Grid) -> tuple[Grid, str]:
    """Return a grid as checked, and as it is stored with the run."""
    if isinstance(grid, Grid):
        return grid, grid_text(grid)
    if isinstance(grid, str) and "\n" in grid:
        raise UserError("the grid is text of several lines; give the path of a file, or a mapping")
    if isinstance(grid, str | Path):
        return load_grid(Path(grid))
    if not isinstance(grid, Mapping):
        raise UserError(f"the grid is a {type(grid).__name__}; give a mapping, the path of a grid file or a Grid")
    try:
        # Tuples and other sequences become lists, as YAML has them.
        text = yaml.safe_dump(json.loads(json.dumps(dict(grid), default=_plain)), sort_keys=False)
    except (TypeError, ValueError) as error:
        raise UserError(f"the grid holds what a grid file cannot say: {error}") from None
    return parse_grid(text, "the grid"), text


def _plain(value: object) -> object:
    """Return what a grid file would say for a number or an array of numpy, a path or a mapping of another kind."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{value!r} is a {type(value).__name__}")
