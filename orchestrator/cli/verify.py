"""The command that audits a run."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from orchestrator.cli.exit_status import EXIT_FAILED
from orchestrator.cli.options import (
    DEFAULT_DATABASE,
    Address,
    Database,
    Format,
    NoPlugins,
    messages,
    output,
    print_line,
    takes_run_options,
)
from orchestrator.cli.run import RunId
from orchestrator.cluster.options import RunOptions
from scc_core.components.registry import Registry

_Sample = Annotated[
    float, typer.Option("--sample", metavar="SHARE", help="Share of the stored blocks to compute again, at most 1.")
]
_Seed = Annotated[int, typer.Option("--seed", min=0, help="Of the draw of the blocks.")]
_Form = Annotated[Format, typer.Option("--format", help="Of the table.")]


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(verify)


@takes_run_options
def verify(
    run: RunId = None,
    db: Database = DEFAULT_DATABASE,
    address: Address = None,
    sample: _Sample = 0.05,
    seed: _Seed = 0,
    form: _Form = Format.TABLE,
    *,
    options: RunOptions,
    no_plugins: NoPlugins = False,
) -> None:
    """Compute a random sample of a run's stored blocks again and compare every image; exit 1 if predictions differ."""
    from orchestrator.cli.output.verification import print_verification
    from orchestrator.driver.display import ConsoleDisplay
    from orchestrator.driver.verify import verify_run

    Registry.plugins_allowed = not no_plugins
    # The table of a program stands alone on standard output.
    console = output() if form is Format.TABLE else messages()
    display = ConsoleDisplay(console, messages())
    found = verify_run(run, db, replace(options, address=address), display, sample=sample, seed=seed)
    print_verification(found.blocks, form, output())
    for line in (*found.environment_differences(), found.verdict):
        print_line(console, line)
    if not found.agrees:
        raise typer.Exit(EXIT_FAILED)
