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
        packages: version of every package on the driver's machine that takes part in the numbers.
        machine: the driver's machine.
        environments: names of the environments that measured its samples, whichever run did.
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
    machine: Mapping[str, str] = field(default_factory=dict)
    environments: Sequence[str] = ()
    grid_yaml: str = ""
    warnings: Sequence[str] = ()

    @classmethod
    def of(cls, run: RunSummary, environments: Sequence[str] = ()) -> Self:
        """Take what a site shows of a stored run and its environments."""
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
            machine=run.machine,
            environments=environments,
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
        environments: by name, the facts of every environment behind the results, in the order in which they came.
    """

    title: str
    generated_at: datetime
    database: str
    runs: Sequence[RunProvenance] = ()
    environments: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    @property
    def differing(self) -> list[str]:
        """Names of the facts that are not the same in all environments."""
        names = dict.fromkeys(name for facts in self.environments.values() for name in facts)
        return [name for name in names if len({repr(facts.get(name)) for facts in self.environments.values()}) > 1]

    @property
    def common(self) -> dict[str, object]:
        """The facts that are the same in all environments."""
        first = next(iter(self.environments.values()), {})
        return {name: value for name, value in first.items() if name not in self.differing}


def without_password(url: str) -> str:
    """Return ``url`` with any password replaced by three stars."""
    return _PASSWORD.sub(r"\1:***@", url)
