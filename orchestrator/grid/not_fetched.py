"""The models and datasets of a grid that this machine lacks: noted while planning, refused all at once before a run."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from scc_core.errors import NotFetchedError

NOT_FETCHED = "not fetched"
"""Stands for a digest that is not known here. No digest looks like it, so that no stored cell has a key from it."""

Kind = Literal["model", "dataset"]
_FETCH = "sccbench fetch"


@dataclass(frozen=True)
class Absent:
    """A model or a dataset that has to be fetched first; ``error`` says how."""

    kind: Kind
    name: str
    error: str

    @property
    def fetchable(self) -> bool:
        """Whether ``sccbench fetch`` brings it, or prints the steps where no program may."""
        return _FETCH in self.error


@dataclass
class Absences:
    """Collects what is not here, each once, in the order in which it is noticed."""

    found: dict[tuple[Kind, str], Absent] = field(default_factory=dict)

    @contextmanager
    def noted(self, kind: Kind, name: str) -> Iterator[None]:
        """Note ``name`` if the body raises :class:`NotFetchedError`, and catch the error."""
        try:
            yield
        except NotFetchedError as error:
            self.found[kind, name] = Absent(kind, name, str(error))

    def __iter__(self) -> Iterator[Absent]:
        return iter(self.found.values())

    def __bool__(self) -> bool:
        return bool(self.found)

    def error(self) -> NotFetchedError:
        """Build the error that names everything that is not here, and what brings it."""
        if len(self.found) == 1:
            return NotFetchedError(next(iter(self)).error)
        names = {kind: [one.name for one in self if one.kind == kind] for kind in ("model", "dataset")}
        listed = [f"{kind}s {', '.join(some)}" for kind, some in names.items() if some]
        steps = [*(f"`{command}`" for command in self.commands()), *(one.error for one in self if not one.fetchable)]
        return NotFetchedError(f"not on this machine: {'; '.join(listed)}. To bring them: {'; '.join(steps)}")

    def commands(self) -> list[str]:
        """Return the commands that fetch what is not here, at most one for models and one for datasets."""
        commands = []
        for kind in ("model", "dataset"):
            names = [one.name for one in self if one.kind == kind and one.fetchable]
            if names:
                commands.append(shlex.join([*_FETCH.split(), f"{kind}s", *names]))
        return commands
