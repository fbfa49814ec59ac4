"""What was published of the undefended model that a cell measures."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from orchestrator.grid.cell import NO_DEFENSE
from orchestrator.results.published.matching import Matcher
from orchestrator.results.published.tables import PublishedNumber, shipped
from orchestrator.store import StoredCell


class Baseline(NamedTuple):
    """A published accuracy of an undefended model, and the number of images that it was measured on."""

    number: PublishedNumber
    images: int


def published_baselines(cell: StoredCell) -> list[Baseline]:
    """Return the published numbers of the model and data that an undefended cell measures; none for a defended cell."""
    matcher = Matcher(shipped(), [cell])
    found = _baselines().get((cell.model, cell.dataset), [])
    return [baseline for baseline in found if matcher.match(baseline.number).cells]


@cache
def _baselines() -> Mapping[tuple[str, str], list[Baseline]]:
    """Return the baselines of the package by the names of model and dataset in grids."""
    names = shipped().names
    found: dict[tuple[str, str], list[Baseline]] = {}
    for number in shipped().numbers:
        if number.defense == NO_DEFENSE and number.dataset in names.datasets:
            dataset = names.datasets[number.dataset]
            for model in names.models[number.model].names:
                for name in dataset.names:
                    found.setdefault((model, name), []).append(Baseline(number, dataset.images))
    return found
