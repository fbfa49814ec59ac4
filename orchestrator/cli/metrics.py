"""The command for what is measured beside accuracy: metrics."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import DEFAULT_DATABASE, Database, Format, TableFormat, output, print_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import polars as pl

    from orchestrator.store import ResultStore, StoredCell

    Table = Callable[[ResultStore, Sequence[StoredCell]], pl.DataFrame]


class Derived(StrEnum):
    """A table of results over several samples or cells."""

    CELLS = "cells"
    CLASSES = "classes"
    SAMPLES = "samples"
    MIN_OVER_ATTACKS = "min-over-attacks"
    DRAWS = "draws"
    PAIRED = "paired"


RunOption = Annotated[
    str | None, typer.Option("--run", metavar="RUN", help="A run's id or its beginning. Default: all that is measured.")
]
DerivedOption = Annotated[
    Derived,
    typer.Option(
        "--derived",
        help="cells: one row a cell, with calibration, AUC and badges; classes: one row a cell and class; "
        "samples: one row a cell and sample, by the names of file and class; "
        "min-over-attacks: samples that survive every attack; draws: mean over the seeds and worst of them; "
        "paired: exact tests between defenses, corrected by Holm over their family.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(metrics)


def metrics(
    run: RunOption = None,
    derived: DerivedOption = Derived.CELLS,
    db: Database = DEFAULT_DATABASE,
    form: TableFormat = Format.TABLE,
) -> None:
    """Work out what per-sample outcomes tell beside accuracy: calibration, AUC, worst cases, paired tests, badges."""
    from orchestrator.cli.output.tables import print_frame, without_shared
    from orchestrator.results.comparisons import FAMILY_MEANING
    from orchestrator.store import ResultStore

    with ResultStore.open(db, create=False) as store:
        frame = _table(derived)(store, store.cells(run))
    if form is Format.TABLE:
        frame = without_shared(frame, output())
    print_frame(frame, form, output())
    if form is Format.TABLE and derived is Derived.PAIRED:
        print_line(output(), FAMILY_MEANING)


def _table(derived: Derived) -> Table:
    from orchestrator.results.cell_metrics import cell_metrics, class_metrics
    from orchestrator.results.comparisons import draws, min_over_attacks, paired
    from orchestrator.results.sample_outcomes import sample_outcomes

    tables: dict[Derived, Table] = {
        Derived.CELLS: cell_metrics,
        Derived.CLASSES: class_metrics,
        Derived.SAMPLES: sample_outcomes,
        Derived.MIN_OVER_ATTACKS: min_over_attacks,
        Derived.DRAWS: draws,
        Derived.PAIRED: paired,
    }
    return tables[derived]
