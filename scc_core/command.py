"""The console script: the command line, once it is sure that Python finds this project's packages."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points

from scc_core.errors import UserError
from scc_core.machine.packages import check_found_first


def main() -> None:
    """Run the command line, which an entry point names, since this package imports none above it."""
    try:
        check_found_first()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    (command_line,) = entry_points(group="sccbench.command_line")
    command_line.load()()
