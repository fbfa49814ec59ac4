"""The entry point: commands, and how errors leave the program."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import cache, compare, fetch, info, metrics, read, run, submit, verify
from orchestrator.cli.options import messages, print_line
from orchestrator.cli.output.warnings import show_warnings_in_one_line
from scc_core.errors import SccBenchError

_HELP = """
Benchmark test-time defenses of vision-language models against adversarial images.

A grid file names models, datasets, attacks, epsilons and defenses. Its cells are measured by workers on a Ray cluster
(one starts on this machine by default), stored in a SQL database, and drawn as an HTML dashboard. What is measured
once is never measured again; what is interrupted is resumed.

  sccbench demo                      the whole system on small models that ship with it, in minutes

  sccbench plan grids/demo.yaml      what a run would do, and how long it would take

  sccbench run grids/demo.yaml       measure

  sccbench submit grids/demo.yaml --address http://HOST:8265    measure on a Ray cluster

  sccbench query "SELECT * FROM results WHERE threat_model = 'adaptive'"

  sccbench dashboard                 draw what is measured

Exit status: 0 all cells done, 1 some cells failed, 2 the call or the grid was wrong (found before any compute),
130 interrupted.
"""

app = typer.Typer(
    help=_HELP, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)
run.register(app)
verify.register(app)
submit.register(app)
read.register(app)
metrics.register(app)
compare.register(app)
info.register(app)
fetch.register(app)
cache.register(app)


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if version:
        from orchestrator.driver.provenance import code_version

        typer.echo(f"sccbench {code_version()}")
        raise typer.Exit


def main() -> None:
    """Run the command line; what the user can mend is one line on standard error and exit status 2."""
    # A grid may name components of the user's own by dotted path. They usually lie beside it, and are found last: a
    # package of theirs may have the name of one of this project's.
    sys.path.append(str(Path.cwd()))
    show_warnings_in_one_line()
    try:
        # The packages above this one bring their own commands, so that imports run only downwards.
        for entry in sorted(entry_points(group="sccbench.commands"), key=lambda entry: entry.name):
            app.command(entry.name)(entry.load())
        app()
    except SccBenchError as error:
        print_line(messages(), f"error: {error}", "bold red")
        sys.exit(error.exit_status)
