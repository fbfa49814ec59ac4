"""The console script: the command line, once it is sure that Python finds this project's packages."""

from __future__ import annotations

import sys
from importlib import import_module

from scc_core.errors import UserError
from scc_core.machine.packages import check_found_first


def main() -> None:
    """Run the command line, which is loaded by name, since this package imports none above it."""
    try:
        check_found_first()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    import_module("orchestrator.cli.main").main()
