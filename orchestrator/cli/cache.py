"""The command about prepared images: it shows what the disk cache holds, or empties it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from orchestrator.cli.options import output, print_line
from scc_core.errors import UserError
from scc_core.machine import settings

_MIB = 2**20
_GIB = 2**30
_NANOSECONDS = 10**9


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(cache)


def cache(
    empty: Annotated[bool, typer.Option("--clear", help="Remove all of them; runs make anew what they need.")] = False,
) -> None:
    """Show the images that this machine keeps decoded and resized, the least recently used first."""
    from scc_core.datasets.pixels.disk_cache.this_machine import disk_cache_folder, disk_cache_limit

    folder, limit = disk_cache_folder(), disk_cache_limit()
    if empty:
        _clear(folder)
        return
    used = _show(folder)
    bound = f"at most {limit / _GIB:.1f} GiB ({settings.PREPARED_GIB.name} sets it)"
    if not limit:
        bound = f"{settings.PREPARED_GIB.name} is 0, so nothing is added"
    print_line(output(), f"{used / _GIB:.2f} GiB in {folder}; {bound}")


def _show(folder: Path) -> int:
    """Print a line for every preparation; return the bytes of all."""
    from scc_core.datasets.pixels.disk_cache.contents import preparations

    table = Table("prepared images", "blocks", "MiB", "last used")
    found = preparations(folder)
    for each in found:
        last = datetime.fromtimestamp(each.used_ns / _NANOSECONDS, tz=UTC)
        table.add_row(each.name, str(each.chunks), f"{each.num_bytes / _MIB:.1f}", f"{last:%Y-%m-%d %H:%M} UTC")
    if found:
        output().print(table)
    return sum(each.num_bytes for each in found)


def _clear(folder: Path) -> None:
    from scc_core.datasets.pixels.disk_cache.contents import clear

    try:
        freed = clear(folder)
    except OSError as error:
        raise UserError(f"cannot empty {folder}: {error}") from None
    print_line(output(), f"{freed / _GIB:.2f} GiB removed from {folder}")
