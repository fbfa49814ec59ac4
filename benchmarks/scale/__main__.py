"""The scale measurement: ``python -m benchmarks.scale [--postgresql URL] [--out FILE.json]``.

Every row is a run in a process of its own over pretend workers that answer at once; the last rows are runs whose blocks
take a second each, for the share that the machinery adds. A row that FILE.json has already is not measured again, so
that a measurement that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks.kernels.environment import describe
from benchmarks.scale.report import table

SIZES = (10_000, 100_000, 1_000_000)
WORKERS = 64
PAUSED_BLOCKS = 2048
"""For the runs whose blocks take a second: 32 seconds of every worker."""

Row = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is missing in the file, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--blocks", type=int, nargs="*", default=SIZES, help=f"multiples of 1000; default: {SIZES}")
    parser.add_argument("--workers", type=int, default=WORKERS, help=f"pretend workers; default: {WORKERS}")
    parser.add_argument("--paused-blocks", type=int, default=PAUSED_BLOCKS, help="blocks of a second each; 0: none")
    parser.add_argument("--postgresql", metavar="URL", help="measure there, too, in a schema of its own")
    parser.add_argument("--out", type=Path, default=Path("scale.json"), help="default: scale.json")
    options = parser.parse_args(arguments)
    result = _read(options.out)
    for database in ("sqlite", *(["postgresql"] if options.postgresql else [])):
        runs = [(blocks, 0.0) for blocks in options.blocks]
        runs += [(options.paused_blocks, 1.0)] if options.paused_blocks else []
        for blocks, pause in runs:
            wanted = {"database": database, "blocks": blocks, "workers": options.workers, "pause": pause}
            if not any(wanted.items() <= row.items() for row in result["rows"]):
                result["rows"].append(_measure(wanted, options.postgresql))
                options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(table(result["rows"]), end="")
    return 0


def _read(path: Path) -> dict[str, Any]:
    if path.exists():
        read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return read
    return {"environment": asdict(describe(torch.device("cpu"))), "rows": []}


def _measure(wanted: Mapping[str, Any], postgresql: str | None) -> Row:
    with TemporaryDirectory(prefix="sccbench-scale-") as folder:
        place = _schema(str(postgresql)) if wanted["database"] == "postgresql" else _file(folder)
        with place as url:
            options = [f"--{name}={wanted[name]}" for name in ("blocks", "workers", "pause")]
            command = [sys.executable, "-m", "benchmarks.scale.measure", "--db", url, *options]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return {**wanted, **json.loads(done.stdout.splitlines()[-1])}


@contextmanager
def _file(folder: str) -> Iterator[str]:
    yield f"{folder}/results.db"


@contextmanager
def _schema(url: str) -> Iterator[str]:
    """A schema for one run, dropped at the end."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        version = connection.info.server_version
        print(f"PostgreSQL {version // 10_000}.{version % 10_000}", file=sys.stderr)
        connection.execute("DROP SCHEMA IF EXISTS sccbench_scale CASCADE")
        connection.execute("CREATE SCHEMA sccbench_scale")
        yield f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3Dsccbench_scale"
        connection.execute("DROP SCHEMA sccbench_scale CASCADE")


if __name__ == "__main__":
    sys.exit(main())
