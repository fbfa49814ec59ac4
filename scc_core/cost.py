"""What some samples cost: seconds, passes through the image tower, memory."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """What some samples cost; totals over the samples and one peak, so that costs add.

    Attributes:
        seconds: wall time on the device.
        forwards: images passed forward through the image tower.
        backwards: images passed backward through it.
        peak_memory_mib: the most memory that was allocated on the device at once, weights included, in MiB; None where
            it is not measured, as on CPU, which tells only the peak of a whole process. It is that of the batch: it
            grows with the batch size, and of a sum it is the larger one.
    """

    seconds: float = 0.0
    forwards: int = 0
    backwards: int = 0
    peak_memory_mib: float | None = None

    def __add__(self, other: Cost) -> Cost:
        peaks = [peak for peak in (self.peak_memory_mib, other.peak_memory_mib) if peak is not None]
        return Cost(
            self.seconds + other.seconds,
            self.forwards + other.forwards,
            self.backwards + other.backwards,
            max(peaks, default=None),
        )
