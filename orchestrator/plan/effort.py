"""How much work a plan is: images, attack steps, and passes through each model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.plan.cost import cell_cost
from orchestrator.plan.plan import Plan
from scc_core.blocks import BlockRanges, num_samples
from scc_core.cost import Cost
from scc_core.identity import DatasetSpec


@dataclass(frozen=True)
class Effort:
    """What is left of a plan to do.

    Attributes:
        images: to be measured, each counted once per dataset, however many cells see it.
        attack_steps: gradients of the attacks, one image each.
        passes: of attacks and defenses together, by model.
    """

    images: int
    attack_steps: int
    passes: Mapping[str, Cost]

    @property
    def total(self) -> Cost:
        """The passes through all models."""
        return sum(self.passes.values(), Cost())


def effort(plan: Plan) -> Effort:
    """Count what is missing of a plan; an attack counts once for all cells that share its images."""
    steps = sum(span.samples * cell_cost(span.cells[0]).attack_steps for span in plan.spans)
    blocks: dict[DatasetSpec, list[range]] = {}
    for span in plan.spans:
        blocks.setdefault(span.cells[0].dataset, []).append(span.blocks)
    images = sum(
        num_samples(part, dataset.size) for dataset, parts in blocks.items() for part in BlockRanges.of(*parts).ranges
    )
    return Effort(images, steps, plan.cost_by_model())
