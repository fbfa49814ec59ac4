"""The plan: cells minus what the database already holds, cut into shards on demand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from orchestrator.grid.cell import Cell
from orchestrator.plan.cost import cell_cost, group_cost
from scc_core.blocks import BlockRanges, cuts, num_blocks, num_samples
from scc_core.cost import Cost
from workers.shard import Shard

_NONE = BlockRanges()


@dataclass(frozen=True)
class Span:
    """A run of blocks of one attack group in which the same cells are missing.

    Attributes:
        cells: what to measure there.
        blocks: numbers of the blocks.
        samples: how many samples they hold.
    """

    cells: tuple[Cell, ...]
    blocks: range
    samples: int

    @cached_property
    def cost(self) -> Cost:
        """The passes of the whole span."""
        return group_cost(self.cells).times(self.samples)

    @property
    def work(self) -> int:
        """Work of the whole span, see :attr:`scc_core.cost.Cost.work`."""
        return self.cost.work


@dataclass(frozen=True)
class Plan:
    """What a run has to do.

    Attributes:
        cells: every cell with the number of samples asked for.
        spans: what is missing, grouped by model, the most work per block first.
        measured: cell blocks that the database already holds, of those asked for.
        missing: cell blocks to measure.
    """

    cells: Mapping[Cell, int]
    spans: Sequence[Span]
    measured: int
    missing: int

    @property
    def work(self) -> int:
        """Work of the whole plan, see :attr:`scc_core.cost.Cost.work`."""
        return sum(span.work for span in self.spans)

    def cost_by_model(self) -> dict[str, Cost]:
        """Return the passes of every model that has any."""
        totals: dict[str, Cost] = {}
        for span in self.spans:
            name = span.cells[0].model.name
            totals[name] = totals.get(name, Cost()) + span.cost
        return totals

    def missing_blocks(self) -> dict[str, int]:
        """Return how many blocks every cell that is not complete still misses, by the cell's key."""
        counts: dict[str, int] = {}
        for span in self.spans:
            for cell in span.cells:
                counts[cell.key] = counts.get(cell.key, 0) + len(span.blocks)
        return counts

    def cell_work(self) -> dict[str, float]:
        """Return the work of every missing cell: its defense, and an equal share of its group's attack."""
        work: dict[str, float] = {}
        for span in self.spans:
            attack = cell_cost(span.cells[0]).attack.work / len(span.cells)
            for cell in span.cells:
                per_sample = cell_cost(cell).defense.work + attack
                work[cell.key] = work.get(cell.key, 0.0) + span.samples * per_sample
        return work


def make_plan(cells: Mapping[Cell, int], measured_blocks: Callable[[Iterable[str]], Mapping[str, BlockRanges]]) -> Plan:
    """Compare the cells with what is already measured.

    Args:
        cells: every cell with the number of samples asked for.
        measured_blocks: the store's answer to which blocks of which cells it holds.
    """
    held = measured_blocks([cell.key for cell in cells])
    wanted = {cell: BlockRanges.of(range(num_blocks(samples))) for cell, samples in cells.items()}
    missing = {cell: blocks - held.get(cell.key, _NONE) for cell, blocks in wanted.items()}
    count = sum(len(blocks) for blocks in missing.values())
    groups: dict[str, dict[Cell, BlockRanges]] = {}
    for cell, blocks in missing.items():
        if blocks:
            groups.setdefault(cell.attack_group, {})[cell] = blocks
    spans = [span for group in groups.values() for span in spans_of(group)]
    spans.sort(key=lambda span: (span.cells[0].model.name, -span.work / len(span.blocks)))
    measured = sum(len(blocks) for blocks in wanted.values()) - count
    return Plan(cells, spans, measured=measured, missing=count)


def describe_plan(plan: Plan) -> str:
    """Return one line: how many cells, what is measured already, what is missing."""
    total = plan.measured + plan.missing
    if not plan.missing:
        return f"all {len(plan.cells)} cells are measured already; nothing to compute"
    return f"{len(plan.cells)} cells in {total} blocks, {plan.measured} measured already, {plan.missing} to measure"


def shards(span: Span, size: int) -> Iterator[Shard]:
    """Cut a span into shards of at most ``size`` blocks."""
    first = span.cells[0]
    for start in range(span.blocks.start, span.blocks.stop, size):
        yield Shard(
            model=first.model,
            # Names, and what the dataset leaves out or should be doubted, are long and for people.
            dataset=replace(first.dataset, left_out=(), warnings=(), names=None),
            precision=first.precision,
            threat=first.threat,
            defenses={cell.key: cell.defense for cell in span.cells},
            blocks=tuple(range(start, min(start + size, span.blocks.stop))),
        )


def spans_of(group: Mapping[Cell, BlockRanges]) -> Iterator[Span]:
    """Cut what is missing of the cells of one attack group wherever the cells that miss a block change."""
    ends = {cell: iter(blocks.ranges) for cell, blocks in group.items()}
    current = {cell: next(ranges, None) for cell, ranges in ends.items()}
    for piece in cuts(group.values()):
        cells: list[Cell] = []
        for cell, blocks in current.items():
            if blocks is not None and blocks.stop <= piece.start:
                current[cell] = blocks = next(ends[cell], None)
            if blocks is not None and blocks.start <= piece.start:
                cells.append(cell)
        if cells:
            yield Span(tuple(cells), piece, num_samples(piece, cells[0].dataset.size))


def with_blocks(span: Span, blocks: range) -> Span:
    """Return the part of a span that consists of ``blocks``."""
    return Span(span.cells, blocks, num_samples(blocks, span.cells[0].dataset.size))
