"""What is stored of a run at its start, and what the store returns of a run and of a block."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from scc_core.outcomes import Outcomes

COMPLETE = "complete"
FAILED = "failed"
INTERRUPTED = "interrupted"
OUTCOMES = (COMPLETE, FAILED, INTERRUPTED)

SILENCE = timedelta(minutes=2)
"""An unfinished run whose last heartbeat is older than this counts as lost."""


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """What is known of a run when it starts.

    Attributes:
        name: the grid's name.
        grid_text: the grid's YAML as the user gave it.
        grid: the grid with every default written out, of JSON's types.
        code_version: version of scc-bench, with the commit where it is known.
        python_version: version of Python.
        packages: version of each package that can change a result.
        machine: the driver's machine: system, processor, cores.
        host: name of the driver's machine.
        pid: process of the driver.
        submission: the job by which a cluster was asked for the run; None where a command ran it itself.
        left_out: by dataset, what its files hold beside the samples, as pairs of name and reason.
        warnings: by dataset, what should be doubted of its classes and prompts, one line each.
        started_at: when it started, with a zone.
    """

    name: str
    grid_text: str
    grid: Mapping[str, object]
    code_version: str
    python_version: str
    packages: Mapping[str, str] = field(default_factory=dict)
    machine: Mapping[str, str] = field(default_factory=dict)
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    submission: str | None = None
    left_out: Mapping[str, Sequence[Sequence[str]]] = field(default_factory=dict)
    warnings: Mapping[str, Sequence[str]] = field(default_factory=dict)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True, kw_only=True)
class RunSummary(RunRecord):
    """A stored run and its progress; every time is in UTC.

    Attributes:
        id: sorts by the time of the start.
        heartbeat_at: the driver's last heartbeat.
        finished_at: when it ended; None while unfinished.
        outcome: None while unfinished, then ``complete``, ``failed`` or ``interrupted``.
        cells: number of cells that it asks for.
        cells_done: number of them whose samples are all measured.
        cells_failed: number of them that failed and are not done.
        samples: measured samples, over all cells, within the run's own prefixes.
        requested_samples: number of samples that it asks for, over all cells.
    """

    id: str
    heartbeat_at: datetime
    finished_at: datetime | None
    outcome: str | None
    cells: int
    cells_done: int
    cells_failed: int
    samples: int
    requested_samples: int

    @property
    def state(self) -> str:
        """The outcome; of an unfinished run ``running``, or ``lost`` two minutes after its last heartbeat."""
        if self.outcome is not None:
            return self.outcome
        return "running" if datetime.now(UTC) - self.heartbeat_at < SILENCE else "lost"


class StoredBlock(NamedTuple):
    """What is stored of one block of a cell.

    Attributes:
        outcomes: of its samples.
        environment: its name, in which they were measured; ``unknown`` if an older program did not tell.
    """

    outcomes: Outcomes
    environment: str
