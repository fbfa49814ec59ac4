"""Repeated, synchronised timing within a budget, and the memory that a piece of work takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

MINIMUM_REPETITIONS = 3
MAXIMUM_REPETITIONS = 100

_CLEAR_REFS = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")
_RESET_PEAK = "5"


@dataclass(frozen=True)
class Spread:
    """What several repetitions gave."""

    minimum: float
    median: float
    maximum: float

    @classmethod
    def of_rates(cls, amount: float, seconds: Sequence[float]) -> Spread:
        """Return ``amount`` per second over repetitions of so many ``seconds``."""
        rates = [amount / duration for duration in seconds]
        return cls(min(rates), statistics.median(rates), max(rates))


@dataclass(frozen=True)
class Budget:
    """How long a piece of work is repeated.

    Attributes:
        seconds: repetitions go on until so much time is spent on them, but there are at least three.
        limit: after so many seconds, the warm-up included, there is no further repetition than the first.
    """

    seconds: float
    limit: float


def repeat(work: Callable[[], object], device: torch.device, budget: Budget) -> list[float]:
    """Return the seconds of every repetition of ``work``, the device's queue drained before each clock is read.

    The first call of a kernel also chooses and loads it: call ``work`` once before.
    """
    taken: list[float] = []
    while len(taken) < MAXIMUM_REPETITIONS:
        taken.append(timed(work, device))
        enough = len(taken) >= MINIMUM_REPETITIONS and sum(taken) >= budget.seconds
        if enough or sum(taken) + taken[-1] >= budget.limit:
            break
    return taken


def timed(work: Callable[[], object], device: torch.device) -> float:
    """Return the seconds that one call of ``work`` takes."""
    synchronize(device)
    start = time.perf_counter()
    work()
    synchronize(device)
    return time.perf_counter() - start


def synchronize(device: torch.device) -> None:
    """Wait until the device has computed everything that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def reset_peak_memory(device: torch.device) -> None:
    """Forget the memory peak so far, where the device or the system can."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif _CLEAR_REFS.exists():
        try:
            _CLEAR_REFS.write_text(_RESET_PEAK, encoding="ascii")
        except PermissionError:
            return


def peak_memory(device: torch.device) -> int | None:
    """Return bytes allocated on a GPU at the peak, or on a CPU the process's largest resident set; None if unknown."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    lines = _STATUS.read_text(encoding="ascii").splitlines() if _STATUS.exists() else []
    sizes = [int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")]
    return sizes[0] if sizes else None
