"""What a worker sends back: who it is, and what came of a shard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from itertools import accumulate, pairwise
from typing import Any

from scc_core.cost import Cost
from scc_core.outcomes import BlockResult, Measurement, Outcomes


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

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "results": _packed(self.results)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, results=_unpacked(*state["results"]))

    def add(self, part: Measurement, seconds: float) -> None:
        """Take some blocks; a cell that failed is repeated as a whole, so that each of its blocks comes once."""
        self.seconds += seconds
        self.failures |= part.failures
        self.results += part.results
        if self.failures:
            self.results = [result for result in self.results if result.cell not in self.failures]


def _packed(results: Sequence[BlockResult]) -> tuple[Outcomes | None, list[tuple[Any, ...]]]:
    """Return all samples as one column each, and the rest of every result as plain values.

    Thousands of small arrays would cost the driver, which unpickles what all workers send, far more time.
    """
    if not results:
        return None, []
    rest = [
        (len(one.outcomes), one.cell, one.block, *map(astuple, (one.attack, one.defense)), *_origin(one))
        for one in results
    ]
    return Outcomes.concatenate([one.outcomes for one in results]), rest


def _origin(result: BlockResult) -> tuple[str, str, int | None]:
    return result.device, result.worker, result.zero_gradients


def _unpacked(outcomes: Outcomes | None, rest: Sequence[tuple[Any, ...]]) -> list[BlockResult]:
    if outcomes is None:
        return []
    cuts = pairwise(accumulate((one[0] for one in rest), initial=0))
    return [
        BlockResult(cell, block, outcomes.rows(start, stop), Cost(*attack), Cost(*defense), *origin)
        for (start, stop), (_, cell, block, attack, defense, *origin) in zip(cuts, rest, strict=True)
    ]
