"""The orchestrator: from a grid to results in a database. ``from orchestrator import run`` measures a grid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import workers  # noqa: F401 - settles Ray's environment before any module here imports Ray

if TYPE_CHECKING:
    from orchestrator.driver.library import Run, run

__all__ = ["Run", "run"]


def __getattr__(name: str) -> object:
    # Imported at the first use: a program that only reads results needs neither Ray nor torch.
    if name in __all__:
        from orchestrator.driver import library

        return getattr(library, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
