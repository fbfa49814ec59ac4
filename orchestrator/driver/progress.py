"""How far a run is: counted from what was measured, shown as a live table or as plain lines."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from orchestrator.plan.plan import Plan
from scc_core.outcomes import BlockResult

_LINE_SECONDS = 10.0


@dataclass
class WorkerProgress:
    """What one worker has done: images are counted once per cell, seconds are those that it computed."""

    name: str = ""
    device: str = ""
    model: str = ""
    images: int = 0
    seconds: float = 0.0

    @property
    def images_per_second(self) -> float:
        """Return defended predictions per second of compute, the attacks' time included."""
        return self.images / self.seconds if self.seconds else 0.0


@dataclass
class Progress:
    """The state of a run; work is counted in forward passes of the image tower."""

    plan: Plan
    clock: Callable[[], float] = time.monotonic
    workers: dict[int, WorkerProgress] = field(default_factory=dict)
    failed_cells: set[str] = field(default_factory=set)
    staff: str = ""
    ready: int = 0

    def __post_init__(self) -> None:
        self._missing = self.plan.missing_blocks()
        self._cell_work = self.plan.cell_work()
        self._open_blocks = sum(self._missing.values())
        self._work = self.plan.work
        self._started = self.clock()
        self.remaining_work = float(self._work)

    @property
    def cells(self) -> int:
        """Return how many cells the run has."""
        return len(self.plan.cells)

    @property
    def cells_done(self) -> int:
        """Return how many cells are measured to the end."""
        return self.cells - sum(count > 0 for count in self._missing.values())

    @property
    def fraction(self) -> float:
        """Return the done share of this run's work, in [0, 1]."""
        return 1.0 - self.remaining_work / self._work if self._work else 1.0

    @property
    def elapsed(self) -> float:
        """Return seconds since the start."""
        return self.clock() - self._started

    @property
    def seconds_left(self) -> float | None:
        """Return the estimated seconds to the end, None while nothing is done.

        Workers' compute counts, not the time since the start, which includes Ray's and the models' start-up.
        """
        seconds = sum(worker.seconds for worker in self.workers.values())
        if not seconds or self.fraction <= 0:
            return None
        return self.remaining_work * seconds / (self._work * self.fraction) / (self.ready or len(self.workers))

    @property
    def images_per_second(self) -> float:
        """Return defended predictions per second of all the workers there are."""
        seconds = sum(worker.seconds for worker in self.workers.values())
        images = sum(worker.images for worker in self.workers.values())
        return images / seconds * (self.ready or len(self.workers)) if seconds else 0.0

    @property
    def stage(self) -> str:
        """Return ``starting``, ``working`` once a worker is ready, or ``measuring`` once there are results."""
        return "measuring" if self.workers else "working" if self.ready else "starting"

    def staffed(self, ready: int, loading: int, wished: int) -> None:
        """Take how many workers there are, how many are getting ready, and for how many there is no room yet."""
        self.ready = ready
        coming = [f"{loading} getting ready"] if loading else []
        coming += [f"{wished} asked for"] if wished else []
        self.staff = f"{ready} worker{'s' * (ready != 1)}" + (f" ({'; '.join(coming)})" if coming else "")

    def add(self, number: int, model: str, results: Sequence[BlockResult]) -> None:
        """Count the results that worker ``number`` delivered."""
        worker = self.workers.setdefault(number, WorkerProgress())
        worker.model = model
        attacks_seen: dict[int, float] = {}
        for result in results:
            worker.name, worker.device = result.worker, result.device
            worker.images += len(result.outcomes)
            worker.seconds += result.defense.seconds
            attacks_seen[result.block] = result.attack.seconds
            self._take(result.cell, 1)
        # The cells of a shard share its attack, so it is counted once per block.
        worker.seconds += sum(attacks_seen.values())

    def elsewhere(self, cell: str, blocks: int) -> None:
        """Count blocks of a cell that another run has measured meanwhile."""
        self._take(cell, blocks)

    def fail(self, cells: Sequence[str]) -> None:
        """Count cells that are given up; their remaining work will not be done."""
        for cell in cells:
            if cell not in self.failed_cells:
                self.failed_cells.add(cell)
                self._drop(cell, self._cell_work[cell])

    def _take(self, cell: str, blocks: int) -> None:
        """Count blocks off a cell; each is taken for the average of those that are left, of which the last is short."""
        # A driver that was cut off may be told of a block twice.
        counted = min(blocks, self._missing[cell])
        if counted:
            share = self._cell_work[cell] * counted / self._missing[cell]
            self._missing[cell] -= counted
            self._open_blocks -= counted
            self._drop(cell, share)

    def _drop(self, cell: str, work: float) -> None:
        self._cell_work[cell] -= work
        # What rounding leaves at the end is no work.
        self.remaining_work = max(0.0, self.remaining_work - work) if self._open_blocks else 0.0


class PlainReporter:
    """Prints a line when workers start and when the first result is there, then every ten seconds at most."""

    def __init__(self, console: Console, progress: Progress) -> None:
        self._console = console
        self._progress = progress
        self._last = progress.clock()
        self._stage = "starting"
        self._line = ""

    def __enter__(self) -> PlainReporter:
        return self

    def __exit__(self, *_: object) -> None:
        self._print()

    def refresh(self) -> None:
        """Print a line if the last one is old enough, or if the run has got further than a wait."""
        if self._progress.stage != self._stage or self._progress.clock() - self._last >= _LINE_SECONDS:
            self._print()

    def _print(self) -> None:
        self._last, self._stage = self._progress.clock(), self._progress.stage
        line = summary_line(self._progress)
        if line != self._line:
            self._console.print(line, highlight=False, soft_wrap=True)
        self._line = line


class LiveReporter:
    """Keeps a table on the terminal: cells done, images per second of every worker, time left."""

    def __init__(self, console: Console, progress: Progress) -> None:
        self._progress = progress
        self._live = Live(get_renderable=self._render, console=console, refresh_per_second=4)

    def __enter__(self) -> LiveReporter:
        self._live.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._live.__exit__(*exception)  # type: ignore[arg-type]

    def refresh(self) -> None:
        """Do nothing: the table refreshes itself."""

    def _render(self) -> Group:
        table = Table("worker", "device", "model", title_justify="left")
        table.add_column("images", justify="right")
        table.add_column("images/s", justify="right")
        for number, worker in sorted(self._progress.workers.items()):
            table.add_row(
                f"{number} {worker.name}",
                worker.device,
                worker.model,
                f"{worker.images:,}",
                f"{worker.images_per_second:,.1f}",
            )
        bar = ProgressBar(total=1.0, completed=self._progress.fraction, width=60)
        return Group(Text(summary_line(self._progress)), bar, table)


Reporter = PlainReporter | LiveReporter


def make_reporter(console: Console, progress: Progress) -> Reporter:
    """Return a live table on a terminal and plain lines elsewhere."""
    return LiveReporter(console, progress) if console.is_terminal else PlainReporter(console, progress)


def summary_line(progress: Progress) -> str:
    """Return one line: cells done, share of the work, speed, time passed and left."""
    left = progress.seconds_left
    parts = [
        f"{progress.cells_done} of {progress.cells} cells done",
        f"{progress.fraction:.0%} of the work",
        f"{progress.images_per_second:,.1f} images/s",
        f"{format_seconds(progress.elapsed)} passed",
    ]
    if progress.staff:
        parts.insert(2, progress.staff)
    if progress.failed_cells:
        parts.insert(1, f"{len(progress.failed_cells)} failed")
    if left is not None and progress.remaining_work > 0:
        parts.append(f"about {format_seconds(left)} left")
    return ", ".join(parts)


def format_seconds(seconds: float) -> str:
    """Return a duration as people read it: ``42 s``, ``3 min 5 s``, ``2 h 10 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
