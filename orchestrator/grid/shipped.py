"""The grids that ship with the project."""

from __future__ import annotations

from pathlib import Path

_PACKAGED = Path(__file__).parent / "grids"
_CHECKOUT = Path(__file__).parents[2] / "grids"


def demo_grid() -> Path:
    """Return the demonstration grid's file, in a wheel as in a checkout."""
    folder = _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT
    return folder / "demo.yaml"
