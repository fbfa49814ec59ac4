"""What operating systems, network drives and notebooks leave among a user's files: passed over, and said."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable

from scc_core.datasets.files.samples import bytewise

_FOLDERS = frozenset(
    {
        "__macosx",
        "__pycache__",
        ".ipynb_checkpoints",
        ".appledouble",
        ".documentrevisions-v100",
        ".fseventsd",
        ".spotlight-v100",
        ".temporaryitems",
        "@eadir",
        "@recently-snapshot",
        "@recycle",
        "@tmp",
        "#recycle",
        "#snapshot",
        "$recycle.bin",
        "lost+found",
        "system volume information",
        "network trash folder",
        "temporary items",
    }
)
_FILES = frozenset({".ds_store", "desktop.ini", "ehthumbs.db", "thumbs.db", "icon\r"})
_BEGINNINGS = ("._", ".trash")
_SHOWN = 8


def is_system_name(name: str) -> bool:
    """Tell whether a file or folder of this name is a system's own, in any case."""
    lowered = name.lower()
    return lowered in _FOLDERS or lowered in _FILES or lowered.startswith(_BEGINNINGS)


def is_passed_over(name: str) -> bool:
    """Tell whether a file or folder of this name is no part of a dataset: hidden, or a system's own."""
    return name.startswith(".") or is_system_name(name)


def describe_system_files(names: Iterable[str]) -> tuple[str, ...]:
    """Return one line on the system's own files and folders among ``names``; none where there are none."""
    counts = Counter(bytewise(name for name in names if is_system_name(name)))
    if not counts:
        return ()
    legible = {os.fsencode(" ".join(name.split())).decode(errors="replace"): count for name, count in counts.items()}
    listed = [name + (f" ({count} times)" if count > 1 else "") for name, count in legible.items()]
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return (f"passed over, as a system's own files: {', '.join(listed[:_SHOWN])}{more}",)
