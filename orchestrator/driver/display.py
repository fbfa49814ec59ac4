"""What the user sees of a run: lines and a live table on a terminal, lines elsewhere."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from orchestrator.driver.progress import Progress, Stage

_LINE_SECONDS = 10.0


class Reporter(Protocol):
    """Shows the progress of a run for as long as its context lasts."""

    def refresh(self) -> None:
        """Show the progress of this moment; called about once a second."""


class Display(Protocol):
    """Where a run shows what happens."""

    def say(self, line: str) -> None:
        """Print one line about the run."""

    def notice(self, line: str) -> None:
        """Print one line about the preparation of the run, such as a download."""

    def reporter(self, progress: Progress) -> AbstractContextManager[Reporter]:
        """Return what shows the progress while the run measures."""


class ConsoleDisplay:
    """Shows a run on consoles.

    Args:
        console: gets the lines and the progress of the run.
        messages: gets the lines about its preparation; None takes ``console``.
    """

    def __init__(self, console: Console, messages: Console | None = None) -> None:
        self._console = console
        self._messages = messages or console

    def say(self, line: str) -> None:
        """Print a line as it is."""
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def notice(self, line: str) -> None:
        """Print a line as it is."""
        self._messages.print(line, highlight=False, markup=False, soft_wrap=True)

    def reporter(self, progress: Progress) -> PlainReporter | LiveReporter:
        """Return a live table on a terminal and plain lines elsewhere."""
        console = self._console
        return LiveReporter(console, progress) if console.is_terminal else PlainReporter(console, progress)


class PlainReporter:
    """Prints a line when workers start and when the first result is there, then every ten seconds at most."""

    def __init__(self, console: Console, progress: Progress) -> None:
        self._console = console
        self._progress = progress
        self._last = progress.clock()
        self._stage = Stage.STARTING
        self._line = ""

    def __enter__(self) -> PlainReporter:
        return self

    def __exit__(self, *_: object) -> None:
        self._print()

    def refresh(self) -> None:
        """Print a line if the last one is ten seconds old, or if the run has reached its next stage."""
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


def summary_line(progress: Progress) -> str:
    """Return one line: cells done, part of the work done, workers, speed, time passed and left."""
    left = progress.seconds_left
    parts = [
        f"{progress.cells_done} of {progress.cells} cells done",
        f"{progress.fraction:.0%} of the work",
        f"{progress.images_per_second:,.1f} images/s",
        f"{format_seconds(progress.elapsed)} passed",
    ]
    counts = progress.worker_counts
    if counts is not None:
        unready = {"starting": counts.starting, "requested": counts.requested, "refused": counts.refused}
        listed = "; ".join(f"{count} {state}" for state, count in unready.items() if count)
        parts.insert(2, f"{counts.ready} worker{'s' * (counts.ready != 1)}" + (f" ({listed})" if listed else ""))
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
