"""Which faults meet a run, where in its work, and in which order: drawn from a seed, every kind once."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Fault(StrEnum):
    """What a run goes on after by itself."""

    WORKER_KILLED = "a worker is killed"
    WORKER_TOLD_TO_GO = "a worker is told to go"
    WORKER_HANGS = "a worker hangs"
    NODE_LOST = "a node is lost, and another one joins"
    DATABASE_AWAY = "the database is stopped for a while"
    DISK_FULL = "the disk of the database is full for a while"


class End(StrEnum):
    """What a run has to be resumed after."""

    DRIVER_KILLED = "the driver is killed"
    DRIVER_TOLD_TO_GO = "the driver is told to go"
    HEAD_LOST = "the head is lost"


DEADLY = {Fault.WORKER_KILLED, Fault.NODE_LOST}
MOST_DEATHS = 2
"""Faults of one driver's time that end workers; at the third the shard that they were at would be given up."""
FEWEST, MOST = 6, 14
"""Blocks of an attack group that are begun before the next fault."""


@dataclass(frozen=True)
class Step:
    """A fault, and how many blocks are begun before it."""

    what: Fault | End
    blocks: int


@dataclass(frozen=True)
class Life:
    """The time of one driver.

    Attributes:
        steps: what happens, in order; an :class:`End` is the last.
        workers: how many it has.
        hang_seconds: how long a worker may be silent at least.
    """

    steps: tuple[Step, ...]
    workers: int = 3
    hang_seconds: float = 600.0


@dataclass
class _Draft:
    faults: list[Fault] = field(default_factory=list)

    def takes(self, fault: Fault) -> bool:
        return fault not in DEADLY or len(DEADLY.intersection(self.faults)) < MOST_DEATHS


def draw(seed: int, faults: Sequence[Fault], ends: Sequence[End]) -> list[Life]:
    """Return the lives of a run, which meets every one of ``faults`` and ``ends`` once.

    A worker that hangs is the only one of the first driver, so that nobody takes its work before its deadline.
    """
    rng = random.Random(seed)
    ordered = rng.sample(ends, len(ends))
    drafts = [_Draft() for _ in range(len(ends) + 1)]
    hanging = Fault.WORKER_HANGS in faults
    for fault in rng.sample(faults, len(faults)):
        if fault != Fault.WORKER_HANGS:
            rng.choice([draft for draft in drafts[hanging:] if draft.takes(fault)]).faults.append(fault)
    lives = [_life([*draft.faults, *ordered[number : number + 1]], rng) for number, draft in enumerate(drafts)]
    if hanging:
        (end,) = lives[0].steps
        lives[0] = Life((Step(Fault.WORKER_HANGS, MOST), end), workers=1, hang_seconds=10.0)
    return lives


def _life(whats: Sequence[Fault | End], rng: random.Random) -> Life:
    return Life(tuple(Step(what, rng.randint(FEWEST, MOST)) for what in whats))
