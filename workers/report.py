"""What a worker sends back: who it is, and what came of a shard."""

from __future__ import annotations

from dataclasses import dataclass

from scc_core.outcomes import Measurement


@dataclass(frozen=True)
class Introduction:
    """A worker that is ready.

    Attributes:
        name: host and process.
        device: the device's own name, as results carry it.
    """

    name: str
    device: str


@dataclass
class Report(Measurement):
    """What came of a shard.

    Attributes:
        unfinished: blocks that were not begun, because the worker is leaving.
        leaving: whether the worker was told to go and takes no more work.
        batch_size: images at a time that the worker found for this model; 0 where nothing was measured.
        growing: whether it would still try a larger batch.
        seconds: of the finished blocks, without the loading of the model.
    """

    unfinished: tuple[int, ...] = ()
    leaving: bool = False
    batch_size: int = 0
    growing: bool = False
    seconds: float = 0.0

    def add(self, part: Measurement, seconds: float) -> None:
        """Take some blocks; a cell that failed is repeated as a whole, so that each of its blocks comes once."""
        self.seconds += seconds
        self.failures |= part.failures
        self.results += part.results
        if self.failures:
            self.results = [result for result in self.results if result.cell not in self.failures]
