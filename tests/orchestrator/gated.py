"""Runs that wait at a gate: a way to stop a run at a known place, do something to it, and let it go on."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from pathlib import Path

import polars as pl

from orchestrator.store import ResultStore
from tests.orchestrator.console import start_sccbench, wait_for, write_grid

GATE = "tests.components:WaitsForGate"
GRID = {
    "defenses": f"[none, scc, '{GATE}']",
    "seeds": "[0, 1]",
    # The seed with scc is the heavier one and so runs first; the gate stops the run in the middle.
    "exclude": f"[{{defense: scc, seed: 1}}, {{defense: '{GATE}', seed: 0}}]",
    "max_samples": "800",
}
COLUMNS = ["cell", "position", "sample_id", "label", "prediction", "margin", "confidence"]


def outcomes(folder: Path) -> pl.DataFrame:
    """Every sample of every cell of the database, in one order."""
    with ResultStore.open(f"sqlite:///{folder}/sccbench.db", create=False) as store:
        keys = store.results()["cell"].to_list()
        return store.outcomes(keys).select(COLUMNS).sort(COLUMNS)


def committed_blocks(folder: Path) -> int:
    database = folder / "sccbench.db"
    if not database.exists():
        return 0
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        return int(connection.execute("SELECT count(*) FROM block").fetchone()[0])


def open_gate(folder: Path) -> None:
    """Let pass whoever waits at the gate, and whoever comes."""
    gate, passage = folder / "gate", folder / "open"
    passage.touch()
    writer = os.open(gate, os.O_RDWR) if gate.exists() else None
    passage.rename(gate)
    if writer is not None:
        # A reader that waited for a writer now reads to the end, which comes when there is none any more.
        os.close(writer)


def run_to_the_gate(folder: Path, *options: str, waiting: int = 1) -> subprocess.Popen[str]:
    """Start a run and return it once some workers wait at the gate and part of its blocks is committed."""
    os.mkfifo(folder / "gate")
    options = options or ("--workers", "1")
    process = start_sccbench("run", str(write_grid(folder, GRID)), *options, folder=folder)
    wait_for(lambda: process.poll() is not None or len(at_the_gate(folder)) >= waiting, "workers at the gate")
    wait_for(lambda: process.poll() is not None or committed_blocks(folder) >= 16, "committed blocks")
    assert process.poll() is None, process.communicate()
    return process


def at_the_gate(folder: Path) -> list[int]:
    """Return the processes that wait, or waited, at the gate."""
    return [int(path.name.removeprefix("waiting-")) for path in folder.glob("waiting-*")]


def brought_to_the_gate(folder: Path, pid: int) -> list[list[int]]:
    """Return the samples of every batch that a process brought to the gate, in order."""
    lines = (folder / f"waiting-{pid}").read_text(encoding="utf-8").splitlines()
    return [[int(sample) for sample in line.split()] for line in lines]


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
