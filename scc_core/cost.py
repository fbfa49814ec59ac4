"""What some samples cost: seconds, passes through the towers, memory."""

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
        text_forwards: texts passed forward through the text tower for these samples. The class embeddings, which are
            computed once per dataset, are not among them.
        text_backwards: texts passed backward through it.
    """

    seconds: float = 0.0
    forwards: int = 0
    backwards: int = 0
    peak_memory_mib: float | None = None
    text_forwards: int = 0
    text_backwards: int = 0

    @property
    def work(self) -> int:
        """Passes through the image tower, a backward as two: what computing time is nearly proportional to."""
        return self.forwards + 2 * self.backwards

    def times(self, samples: int) -> Cost:
        """Return the cost of ``samples`` samples that each cost this."""
        return Cost(
            self.seconds * samples,
            self.forwards * samples,
            self.backwards * samples,
            self.peak_memory_mib,
            self.text_forwards * samples,
            self.text_backwards * samples,
        )

    def __add__(self, other: Cost) -> Cost:
        peaks = [peak for peak in (self.peak_memory_mib, other.peak_memory_mib) if peak is not None]
        return Cost(
            self.seconds + other.seconds,
            self.forwards + other.forwards,
            self.backwards + other.backwards,
            max(peaks, default=None),
            self.text_forwards + other.text_forwards,
            self.text_backwards + other.text_backwards,
        )
