"""The installed code of this project as one digest: the same on every machine that has the same sources."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

from scc_core.machine.packages import PACKAGES, ROOT

DISTRIBUTION = "scc-bench"
_SOURCES = (".py",)
_CORE_SOURCES = (".py", ".toml", ".txt", ".json")
"""Cards, class names and configurations of the core decide numbers as its code does; weights have digests of their
own. Beside the other packages an installation holds files that a checkout has elsewhere."""


@cache
def distribution_version() -> str | None:
    """Return the version of the installed distribution; None where its files are on the path alone."""
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return None


@cache
def code_digest() -> str:
    """Return the digest of the sources of all four packages as 64 hexadecimal digits; read once in a process."""
    return digest_of_sources({name: _folder(name) for name in PACKAGES})


def digest_of_sources(folders: Mapping[str, Path]) -> str:
    """Return the SHA-256 of the names and contents of all sources; where they lie and how lines end is not in it.

    Args:
        folders: by the name of a package, where it lies; one that is not there counts as empty.
    """
    digest = hashlib.sha256()
    for name in sorted(folders):
        suffixes = _CORE_SOURCES if name == "scc_core" else _SOURCES
        for path, file in sorted(_sources(folders[name], suffixes)):
            content = file.read_bytes().replace(b"\r\n", b"\n")
            digest.update(f"{name}/{path}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return digest.hexdigest()


def _sources(folder: Path, suffixes: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    for file in folder.rglob("*"):
        # Editors keep links that lead nowhere beside a file that they edit, under names with a dot in front.
        if file.suffix in suffixes and not file.name.startswith(".") and file.is_file():
            yield file.relative_to(folder).as_posix(), file


def _folder(name: str) -> Path:
    """Return where a package lies: for what measures where it was imported from, else beside this package."""
    imported = sys.modules.get(name) if name in ("scc_core", "workers") else None
    return Path(next(iter(imported.__path__))) if imported else ROOT / name
