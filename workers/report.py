"""What a worker sends to the driver: who it is, and its report on a shard."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

from scc_core.cost import Cost
from scc_core.environment import Environment
from scc_core.outcomes import BlockResult, Measurement, Outcomes


class Place(NamedTuple):
    """Where a worker is, and which scc-bench it found there.

    Attributes:
        node: host, address and id of the node.
        version: of the distribution; None where none is installed.
        code: digest of the sources; None of an scc-bench that does not tell it.
    """

    node: str
    version: str | None
    code: str | None


@dataclass(frozen=True)
class WorkerInfo:
    """Who a worker is.

    Attributes:
        name: host and process.
        device: the device's own name, as results carry it.
        environment: in which it measures, before it knows a model.
    """

    name: str
    device: str
    environment: Environment


@dataclass
class Report(Measurement):
    """The results of a shard, and what the scheduler needs to know of the worker.

    Attributes:
        unfinished: blocks that were not begun, because the worker drains.
        draining: whether the worker was told to end and takes no more shards.
        seconds: that the finished blocks took, without the loading of the model.
    """

    unfinished: tuple[int, ...] = ()
    draining: bool = False
    seconds: float = 0.0

    def __getstate__(self) -> dict[str, Any]:
        """Return one array for each column of all samples, and the rest of every result as plain values.

        The driver unpickles the reports of all workers, and thousands of small arrays would take it far more time.
        """
        widths = {None if one.outcomes.scores is None else one.outcomes.scores.shape[1:] for one in self.results}
        if len(widths) > 1 or not all(one.outcomes.aligned for one in self.results):
            # Joined, the rows of one result would become those of the next; the driver refuses such a result by itself.
            return dict(self.__dict__)
        outcomes = Outcomes.concatenate([one.outcomes for one in self.results]) if self.results else None
        rest = [
            (
                len(one.outcomes),
                one.cell,
                one.block,
                astuple(one.attack),
                astuple(one.defense),
                one.device,
                one.worker,
                one.zero_gradients,
                one.environment,
            )
            for one in self.results
        ]
        return {**self.__dict__, "results": (outcomes, rest)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        if isinstance(state["results"], list):
            self.__dict__.update(state)
            return
        outcomes: Outcomes | None
        outcomes, rest = state["results"]
        cuts = pairwise(accumulate((one[0] for one in rest), initial=0))
        results = [
            BlockResult(cell, block, outcomes.rows(start, stop), Cost(*attack), Cost(*defense), *origin)
            for (start, stop), (_, cell, block, attack, defense, *origin) in zip(cuts, rest, strict=True)
            if outcomes is not None
        ]
        self.__dict__.update(state, results=results)

    def add(self, part: Measurement, seconds: float) -> None:
        """Add some blocks, without those of cells that failed, because the scheduler retries a cell as a whole."""
        self.seconds += seconds
        self.failures |= part.failures
        self.results += part.results
        if self.failures:
            self.results = [result for result in self.results if result.cell not in self.failures]
