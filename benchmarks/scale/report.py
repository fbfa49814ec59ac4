"""The rows of a scale measurement as a Markdown table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_COLUMNS = (
    "database",
    "blocks",
    "plan s",
    "run s",
    "badges s",
    "blocks/s",
    "CPU us/block",
    "peak MiB",
    "of it its own",
    "before the run",
    "load",
)
_HEAD = f"| {' | '.join(_COLUMNS)} |"
_RULE = "|---|" + "---:|" * (len(_COLUMNS) - 1)


def table(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return a table of the runs that answer at once, and a line for each of the others.

    ``blocks/s`` is end to end: plan, store the run, schedule and write, badges; starting the pretend workers is left
    out. ``CPU us/block`` is the driver's processor time in the run. ``of it its own`` leaves out what the
    driver shares with other processes, libraries and Ray's object store; ``before the run`` is that before the first
    shard.
    """
    rows = list(rows)
    lines = [_HEAD, _RULE, *(_line(row) for row in rows if not row["pause"])]
    return "\n".join([*lines, "", *(_overhead(row) for row in rows if row["pause"])]) + "\n"


def blocks_per_second(row: Mapping[str, Any]) -> float:
    """Return the rate from the plan to the badges."""
    seconds = row["seconds"]
    return float(row["blocks"] / sum(seconds[part] for part in ("plan", "start", "measure", "badges")))


def overhead(row: Mapping[str, Any]) -> float:
    """Return by what share the run took longer than its workers had to pause."""
    return float(row["seconds"]["measure"] * row["workers"] / (row["blocks"] * row["pause"]) - 1)


def _line(row: Mapping[str, Any]) -> str:
    seconds, peak, private = row["seconds"], row["peak_mib"], row["private_mib"]
    cpu = row["driver_cpu_seconds"] / row["blocks"] * 1e6
    load = f"{row['load_average_start']:.1f} to {row['load_average_end']:.1f}"
    times = f"{seconds['plan']:.2f} | {seconds['measure']:.1f} | {seconds['badges']:.1f}"
    rates = f"{blocks_per_second(row):,.0f} | {cpu:.0f}"
    memory = f"{max(peak.values()):.0f} | {max(private.values()):.0f} | {private['workers']:.0f}"
    return f"| {row['database']} | {row['blocks']:,} | {times} | {rates} | {memory} | {load} |"


def _overhead(row: Mapping[str, Any]) -> str:
    ideal = row["blocks"] * row["pause"] / row["workers"]
    return (
        f"{row['database']}: {row['blocks']:,} blocks of {row['pause']:g} s on {row['workers']} workers took "
        f"{row['seconds']['measure']:.2f} s, {overhead(row):.1%} more than {ideal:.0f} s"
    )
