"""One run, in a process of its own so that its peak memory is its own: prints its figures as one line of JSON."""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import TypeVar

from rich.console import Console

from benchmarks.scale import workload
from benchmarks.scale.pretend import PretendExecutor
from orchestrator.cluster.capacity import ClusterCapacity, Node
from orchestrator.cluster.executor import Executor
from orchestrator.cluster.options import RunOptions
from orchestrator.cluster.session import ray_session
from orchestrator.driver.display import PlainReporter
from orchestrator.driver.progress import Progress
from orchestrator.driver.result_handler import RunResultHandler
from orchestrator.grid.cell import Cell
from orchestrator.plan.plan import Plan, make_plan
from orchestrator.results.badges import update_badges
from orchestrator.scheduler.leases import open_leases
from orchestrator.scheduler.scheduler import Scheduler
from orchestrator.scheduler.task_queue import TaskQueue
from orchestrator.store import ResultStore, RunRecord
from orchestrator.writing.reconnect import DatabaseConnection
from orchestrator.writing.spool import spool_of
from orchestrator.writing.writer import Writer

T = TypeVar("T")

_SAMPLE_SECONDS = 0.1


@dataclass
class Figures:
    """What was measured.

    Attributes:
        blocks: of the run.
        workers: pretend workers.
        pause: seconds that a block takes a worker.
        seconds: wall time by part: ``open``, ``plan``, ``start`` (store the run and its cells), ``workers`` (start the
            pool), ``measure`` (schedule and write), ``badges``, ``plan_again`` (everything is measured), ``list_runs``.
        driver_cpu_seconds: processor time of this process in ``measure``.
        peak_mib: largest resident set of this process after each part, in MiB; Ray's object store, which is mapped into
            it and of a fixed size, is in it.
        private_mib: the largest part of it that is this process's own memory, during each part, in MiB; sampled every
            tenth of a second, 0 where the system does not tell it.
        load_average_start: of the last minute.
        load_average_end: of the last minute.
    """

    blocks: int
    workers: int
    pause: float
    seconds: dict[str, float] = field(default_factory=dict)
    driver_cpu_seconds: float = 0.0
    peak_mib: dict[str, float] = field(default_factory=dict)
    private_mib: dict[str, float] = field(default_factory=dict)
    load_average_start: float = field(default_factory=lambda: os.getloadavg()[0])
    load_average_end: float = 0.0

    def timed(self, part: str, action: Callable[[], T]) -> T:
        """Do a part and note how long it took and the peak after it."""
        with PrivateMemory() as private:
            start = time.perf_counter()
            result = action()
            self.seconds[part] = time.perf_counter() - start
        self.private_mib[part] = private.peak_mib
        self.peak_mib[part] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return result


class PrivateMemory:
    """Watches, on a thread, how large the memory that no other process shares becomes."""

    def __init__(self) -> None:
        self.peak_mib = 0.0
        self._end = Event()
        self._thread = Thread(target=self._watch, daemon=True)

    def __enter__(self) -> PrivateMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            self.peak_mib = max(self.peak_mib, _private_mib())
            if self._end.wait(_SAMPLE_SECONDS):
                self.peak_mib = max(self.peak_mib, _private_mib())
                return


def _private_mib() -> float:
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.exists() else []
    return next((float(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon:")), 0.0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure one run and print its figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale.measure", description=__doc__)
    parser.add_argument("--db", required=True, metavar="URL")
    parser.add_argument("--blocks", type=int, required=True)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--pause", type=float, default=0.0)
    options = parser.parse_args(arguments)
    figures = Figures(options.blocks, options.workers, options.pause)
    alone = options.pause > 0
    cells = workload.lone_cells(options.workers, options.blocks) if alone else workload.grid(options.blocks)
    measure(cells, options.db, figures)
    figures.load_average_end = os.getloadavg()[0]
    print(json.dumps(asdict(figures)))
    return 0


def measure(cells: Mapping[Cell, int], url: str, figures: Figures) -> None:
    """Carry a run out and fill ``figures``."""
    with figures.timed("open", lambda: ResultStore.open(url)) as store:
        plan = figures.timed("plan", lambda: make_plan(cells, store.measured_blocks))
        record = RunRecord(name="scale", grid_text="", grid={}, code_version="", python_version=sys.version)
        run = figures.timed("start", lambda: store.start_run(record, cells))
        with ray_session(None):
            executor = figures.timed("workers", lambda: PretendExecutor(figures.workers, figures.pause))
            before = time.process_time()
            figures.timed("measure", lambda: _carry_out(run, plan, store, executor, figures.workers))
            figures.driver_cpu_seconds = time.process_time() - before
        figures.timed("badges", lambda: update_badges(store, run))
        again = figures.timed("plan_again", lambda: make_plan(cells, store.measured_blocks))
        summary = figures.timed("list_runs", lambda: store.runs())[0]
        if (again.missing, summary.cells_done) != (0, len(cells)):
            raise RuntimeError(f"{again.missing} blocks are missing at the end, {summary.cells_done} cells are done")


def _carry_out(run: str, plan: Plan, store: ResultStore, executor: Executor, workers: int) -> None:
    progress = Progress(plan)
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(file=nowhere)
        spool = spool_of(store.url, run)
        connection = DatabaseConnection(store, console.print, "results wait")
        leasing = open_leases(store, run, progress.count_blocks, connection)
        with leasing as leases, PlainReporter(console, progress) as reporter:
            writer = Writer(run, store, spool, connection, console.print, leases)
            results = RunResultHandler(run, store, connection, writer, leases, progress, reporter)
            options = RunOptions(num_workers=workers)
            capacity = ClusterCapacity(options, can_grow=False, nodes=lambda: [Node("here", float(workers), 0.0)])
            Scheduler(TaskQueue(plan, leases), capacity, results, executor=executor).run()
            writer.finish()


if __name__ == "__main__":
    sys.exit(main())
