"""Where the numbers of a site come from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from orchestrator.grid.dataset_warnings import describe_warnings
from orchestrator.grid.left_out import describe_left_out
from orchestrator.store import RunSummary

_PASSWORD = re.compile(r"(?<=://)([^:/@\s]*):[^@/\s]*@")


@dataclass(frozen=True)
class RunProvenance:
    """One run, as it was submitted and as it ended.

    Attributes:
        id: the run's identifier.
        name: the name in its grid.
        started_at: when it was submitted.
        finished_at: when it ended; None while it runs or after its driver died.
        outcome: one word, such as "done" or "failed".
        host: the driver's host.
        code_version: version or commit of scc-bench.
        python_version: version of the interpreter.
        packages: version of every package that takes part in the numbers.
        devices: what each worker or device name stands for.
        grid_yaml: the grid's text, exactly as submitted.
        warnings: what its datasets leave out, and what should be doubted of their classes and prompts, as lines.
    """

    id: str
    name: str
    started_at: datetime | None
    finished_at: datetime | None
    outcome: str
    host: str
    code_version: str
    python_version: str
    packages: Mapping[str, str] = field(default_factory=dict)
    devices: Mapping[str, str] = field(default_factory=dict)
    grid_yaml: str = ""
    warnings: Sequence[str] = ()

    @classmethod
    def of(cls, run: RunSummary) -> Self:
        """Take what a site shows of a stored run."""
        return cls(
            id=run.id,
            name=run.name,
            started_at=run.started_at,
            finished_at=run.finished_at,
            outcome=run.state,
            host=run.host,
            code_version=run.code_version,
            python_version=run.python_version,
            packages=run.packages,
            devices={**run.machine, **run.devices},
            grid_yaml=run.grid_text,
            warnings=(*describe_left_out(run.left_out), *describe_warnings(run.warnings)),
        )


@dataclass(frozen=True)
class Provenance:
    """Where all numbers of a site come from.

    Attributes:
        title: the site's title.
        generated_at: when the site was written.
        database: URL of the database; a password in it is never shown.
        runs: the runs whose results the site shows, newest first.
    """

    title: str
    generated_at: datetime
    database: str
    runs: Sequence[RunProvenance] = ()


def without_password(url: str) -> str:
    """Return ``url`` with any password replaced by three stars."""
    return _PASSWORD.sub(r"\1:***@", url)
