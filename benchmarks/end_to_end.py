"""What a user waits for: start-up, and images per second by defense of a results database.

``python -m benchmarks.end_to_end --db sqlite:///sccbench.db``. It calls only ``sccbench`` and reads only its public
views. The rates are those that the run itself measured; only ratios within one run are comparable.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.kernels.environment import load_average

STARTUP = (("--version",), ("list", "defenses"), ("query",))

RATES = """
SELECT run, model, defense, sum(samples) AS images, sum(samples) / sum(samples * seconds_per_image) AS images_per_second
FROM run_results WHERE samples > 0 GROUP BY run, model, defense ORDER BY run, model, defense
"""

Record = Mapping[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print start-up times, then a table per run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.end_to_end", description=__doc__)
    parser.add_argument("--db", required=True, metavar="URL", help="the results database")
    parser.add_argument("--repetitions", type=int, default=3, help="calls of every start-up; default: 3")
    options = parser.parse_args(arguments)
    print(f"load average {load_average()}")
    for command in STARTUP:
        print(f"sccbench {' '.join(command)}: {startup_seconds(command, options.repetitions):.2f} s")
    print(table(with_ratios(json.loads(sccbench("query", RATES, "--db", options.db, "--format", "json")))), end="")
    return 0


def sccbench(*arguments: str) -> str:
    """Return what the command prints; one that fails ends this program with its own error and status."""
    command = Path(sys.executable).with_name("sccbench")
    done = subprocess.run([str(command), *arguments], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(done.returncode)
    return done.stdout


def startup_seconds(command: Sequence[str], repetitions: int) -> float:
    """Return the median wall time of a command."""
    taken = []
    for _ in range(repetitions):
        start = time.perf_counter()
        sccbench(*command)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def with_ratios(rows: Sequence[Record]) -> list[Record]:
    """Add to every row the time of an image relative to the undefended model's in the same run; None without one."""
    plain = {(row["run"], row["model"]): row["images_per_second"] for row in rows if row["defense"] == "none"}
    return [
        {**row, "times_none": _ratio(plain.get((row["run"], row["model"])), row["images_per_second"])} for row in rows
    ]


def _ratio(plain: float | None, rate: float) -> float | None:
    return None if plain is None else plain / rate


def table(rows: Sequence[Record]) -> str:
    """Return the rows as Markdown."""
    lines = ["| run | model | defense | images | images/s | times none |", "|---|---|---|---:|---:|---:|"]
    for row in rows:
        ratio = "" if row["times_none"] is None else f"{row['times_none']:.1f}"
        figures = f"{row['images']} | {row['images_per_second']:.3g} | {ratio}"
        lines.append(f"| {row['run']} | {row['model']} | {row['defense']} | {figures} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
