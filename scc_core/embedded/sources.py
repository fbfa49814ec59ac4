"""Where the shipped models lie."""

from __future__ import annotations

from pathlib import Path

from scc_core.errors import unknown_name

EMBEDDED_MODELS = ("demo-clip", "demo-biomedclip")
_FOLDER = Path(__file__).parent / "models"


def embedded_model_source(name: str) -> str:
    """Return the ``local-dir:`` source of a shipped model, which open_clip's loader takes.

    Raises:
        UserError: no embedded model has that name.
    """
    if name not in EMBEDDED_MODELS:
        raise unknown_name("embedded model", name, EMBEDDED_MODELS)
    return f"local-dir:{_FOLDER / name}"
