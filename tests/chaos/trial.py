"""A run that faults meet, and what is left of it in the database."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl

from orchestrator.store import ResultStore
from orchestrator.store.reading.query import read_only_query
from scc_core.blocks import BLOCK_SIZE
from tests.chaos.clusters import Machines
from tests.chaos.schedule import End, Fault, Life
from tests.chaos.turnstile import Turnstile
from tests.disks import fill
from tests.orchestrator.console import PATIENCE, start_sccbench, wait_for, write_grid
from tests.orchestrator.gated import COLUMNS, alive
from tests.orchestrator.postgresql import Server

ROLLED = ", ".join(f"{{'tests.chaos.components:Rolled': {{pixels: {pixels}}}}}" for pixels in range(1, 6))
SOUND = f"none, 'tests.chaos.components:Counted', 'tests.chaos.components:FullOnce', {ROLLED}"
GRID = {
    "models": "[tests.components:tiny, tests.components:mirrored]",
    "datasets": "[tests.chaos.components:many_images]",
    "epsilons": "[0, 2/255, 4/255]",
    "defenses": f"[{SOUND}]",
}
BROKEN = "tests.components:Broken"
CELLS, BLOCKS = 48, 2_400
"""Of the sound defenses: two models, three strengths, eight defenses, fifty blocks each."""
BROKEN_CELLS = 6
SPOOLED = {Fault.DATABASE_AWAY, Fault.DISK_FULL}
"""Faults that make results wait on the driver's own disk."""


class Trial:
    """A run of the grid with a broken defense, driven through the lives of a schedule.

    Args:
        folder: for everything that it writes.
        url: of its database.
        machines: that it computes on.
        server: of its database, where the schedule stops it.
        disk: of its database, where the schedule fills it.
    """

    def __init__(
        self, folder: Path, url: str, machines: Machines, server: Server | None = None, disk: Path | None = None
    ) -> None:
        self._folder = folder
        self._url = url
        self._machines = machines
        self._server = server
        self._disk = disk
        self._turnstile = Turnstile(folder)
        self._grid = write_grid(folder, {**GRID, "defenses": f"[{SOUND}, '{BROKEN}']"})
        self._process: subprocess.Popen[str]
        self.log: list[tuple[Fault | End, int]] = []
        """What happened so far, each with the number of blocks that the database held then."""

    def go_through(self, lives: Sequence[Life]) -> str:
        """Return what the last driver said, which has to end with some failed cells."""
        for number, life in enumerate(lives):
            command = ("resume",) if number else ("run", str(self._grid))
            self._turnstile.admit(0)
            self._process = self._start(command, life)
            self._live(life)
        text = self._process.communicate(timeout=PATIENCE)[0]
        assert self._process.returncode == 1, text
        return text

    def close(self) -> None:
        """End the driver, whatever state it is in."""
        self._turnstile.open()
        if self.log or hasattr(self, "_process"):
            self._process.kill()
            self._process.communicate()

    def _start(self, command: Sequence[str], life: Life) -> subprocess.Popen[str]:
        options = ["--address", self._machines.address, "--batch-size", str(BLOCK_SIZE)]
        options += ["--workers", str(life.workers), "--hang-seconds", str(life.hang_seconds)]
        return start_sccbench(
            *command,
            *options,
            folder=self._folder,
            SCCBENCH_DB=self._url,
            SCCBENCH_CACHE=str(self._folder / "cache"),
        )

    def _live(self, life: Life) -> None:
        for step in life.steps:
            held = self._reach(step.blocks)
            self.log.append((step.what, committed_blocks(self._url)))
            if isinstance(step.what, End):
                self._end(step.what)
                return
            aftermath = self._strike(step.what, held)
            self._turnstile.admit(0 if step.what in SPOOLED else BLOCK_SIZE)
            aftermath()
        self._turnstile.open()

    def _reach(self, blocks: int) -> int:
        """Let the run begin some more blocks; return a worker that is held up then, in the middle of a block."""
        self._turnstile.admit(blocks * BLOCK_SIZE)
        self._await(self._turnstile.waiting, "a worker at the turnstile")
        # What the first shard measured comes with its end, which may lie beyond the blocks that were let through.
        if not self.log:
            self._go_on_until(lambda: committed_blocks(self._url), "committed blocks")
        self._await(self._turnstile.waiting, "a worker at the turnstile")
        return self._turnstile.waiting()[0]

    def _await(self, condition: Callable[[], object], what: str) -> None:
        """Wait while the driver lives."""
        wait_for(lambda: self._process.poll() is not None or condition(), f"{what} after {self.log}")
        assert self._process.poll() is None, self._process.communicate()[0]

    def _strike(self, fault: Fault, held: int) -> Callable[[], None]:
        """Let something happen; return what is left to do once the run goes on."""
        if fault == Fault.WORKER_KILLED:
            os.kill(held, signal.SIGKILL)
        elif fault == Fault.WORKER_TOLD_TO_GO:
            os.kill(held, signal.SIGTERM)
        elif fault == Fault.WORKER_HANGS:
            os.kill(held, signal.SIGSTOP)
        elif fault == Fault.NODE_LOST:
            self._machines.lose_node()
            return self._machines.add_node
        elif fault == Fault.DATABASE_AWAY:
            assert self._server is not None
            self._server.stop()
            return lambda: self._await_spool(self._server.start)
        else:
            assert self._disk is not None
            ballast = self._disk / "ballast"
            fill(ballast)
            return lambda: self._await_spool(ballast.unlink)
        return lambda: self._await_end(held)

    def _await_end(self, worker: int) -> None:
        """Let a worker finish its block, of which it may measure parts one after another, and be gone."""
        while alive(worker):
            if worker in self._turnstile.waiting():
                self._turnstile.admit(BLOCK_SIZE)
            self._await(lambda: not alive(worker) or worker in self._turnstile.waiting(), f"the end of worker {worker}")

    def _await_spool(self, help_database: Callable[[], None]) -> None:
        """Let the run go on until results wait for the database, then give it what it lacks."""
        self._go_on_until(lambda: spooled(self._folder), "results in the spool")
        help_database()

    def _go_on_until(self, condition: Callable[[], object], what: str) -> None:
        """Let the run go on, a block at a time."""
        while not condition():
            self._turnstile.admit(BLOCK_SIZE)
            self._await(lambda: condition() or self._turnstile.waiting(), what)

    def _end(self, end: End) -> None:
        if end == End.HEAD_LOST:
            self._machines.lose_head()
        else:
            self._process.send_signal(signal.SIGKILL if end == End.DRIVER_KILLED else signal.SIGTERM)
        text = self._process.communicate(timeout=PATIENCE)[0]
        status = self._process.returncode
        if end == End.HEAD_LOST:
            # Ray itself ends a driver whose head is gone, wherever the driver is.
            assert status not in (0, 2), text
        else:
            assert status == (-signal.SIGKILL if end == End.DRIVER_KILLED else 130), text
        assert "all cells done" not in text
        if end == End.HEAD_LOST:
            self._machines.start_again()


def committed_blocks(url: str) -> int:
    """Return how many blocks the database holds."""
    return int(read_only_query(url, "SELECT count(*) AS blocks FROM block")["blocks"][0])


def spooled(folder: Path) -> int:
    """Return how many blocks wait on the disk."""
    return sum(path.read_bytes().count(b'"created_at"') for path in folder.glob("cache/spool/*/*.spool"))


def measured(url: str) -> pl.DataFrame:
    """Return every sample of every cell that has any, in one order."""
    with ResultStore.open(url, create=False) as store:
        return store.outcomes(store.results()["cell"].to_list()).select(COLUMNS).sort(COLUMNS)
