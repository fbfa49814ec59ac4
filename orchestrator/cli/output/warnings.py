"""How warnings of this project reach the user: one line on standard error, each text once."""

from __future__ import annotations

import warnings
from typing import TextIO

from orchestrator.cli.options import messages, print_line
from scc_core.errors import SccBenchWarning


def show_warnings_in_one_line() -> None:
    """Print a :class:`~scc_core.errors.SccBenchWarning` as ``warning: TEXT``; others stay as Python shows them."""
    as_python_does = warnings.showwarning
    said = set()

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if not issubclass(category, SccBenchWarning):
            as_python_does(message, category, filename, lineno, file, line)
        elif str(message) not in said:
            said.add(str(message))
            print_line(messages(), f"warning: {message}", "yellow")

    warnings.showwarning = show
