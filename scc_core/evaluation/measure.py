"""From blocks of a dataset to block results, in batches of any size; another size changes nothing but rounding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from scc_core.blocks import block_positions, split_by_block
from scc_core.components.component import Component
from scc_core.cost import Cost
from scc_core.datasets.pixels.dataset import PreparedDataset
from scc_core.defenses.base import Defense
from scc_core.evaluation.evaluate import Defended, Evaluation, evaluate
from scc_core.evaluation.threat import Threat
from scc_core.models.base import ZeroShotModel
from scc_core.outcomes import BlockResult, Failure, Measurement, Outcomes


def measure(
    model: ZeroShotModel,
    dataset: PreparedDataset,
    blocks: Sequence[int],
    *,
    threat: Threat,
    defenses: Mapping[str, Component[Defense]],
    batch_size: int,
    next_blocks: Sequence[int] = (),
) -> Measurement:
    """Measure ``blocks`` of one attack group under every defense.

    Args:
        model: the classifier.
        dataset: where the samples come from.
        blocks: numbers of the blocks, see :mod:`scc_core.blocks`.
        threat: what is done to the images; one that is adaptive is made for exactly one defense.
        defenses: by the key of their cell.
        batch_size: images at a time; changes speed, memory and rounding, never what is done to an image.
        next_blocks: what the caller will measure after these; their first images are read during the last batch.

    Raises:
        Exception: whatever the model or the attack raises; a defense's exception only fails its own cell.
    """
    measurement = Measurement()
    active = dict(defenses)
    parts: dict[str, list[_Part]] = {key: [] for key in defenses}

    def fail(key: str, error: Exception) -> None:
        measurement.failures[key] = Failure.of(error)
        del active[key]

    positions = _positions(blocks, dataset)
    chunks = [positions[start : start + batch_size] for start in range(0, len(positions), batch_size)]
    upcoming = _positions(next_blocks, dataset)[:batch_size]
    for chunk, following in zip(chunks, [*chunks[1:], upcoming], strict=True):
        if not active:
            break
        batch = dataset.batch(chunk, model.model.device)
        if following:
            dataset.read_ahead(following, model.model.device)
        evaluation = evaluate(model, batch, threat=threat, defenses=dict(active), on_error=fail)
        for key, defended in evaluation.defended.items():
            parts[key] += _split(chunk, evaluation, defended)
    for key in active:
        measurement.results += _join(key, parts[key], device_name(model.model.device))
    return measurement


def device_name(device: torch.device) -> str:
    """Return the device's own name, e.g. ``NVIDIA H200``, or ``cpu`` with the number of threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu x {torch.get_num_threads()}" if device.type == "cpu" else str(device)


@dataclass(frozen=True)
class _Part:
    """The share of one batch that belongs to one block."""

    block: int
    outcomes: Outcomes
    gradients: npt.NDArray[np.float32]
    attack: Cost
    defense: Cost


def _positions(blocks: Sequence[int], dataset: PreparedDataset) -> list[int]:
    return [position for block in blocks for position in block_positions(block, len(dataset))]


def _split(positions: Sequence[int], evaluation: Evaluation[str], defended: Defended) -> Iterator[_Part]:
    for block, rows in split_by_block(positions):
        start, stop = rows.start, rows.stop
        yield _Part(
            block,
            defended.outcomes.rows(start, stop),
            evaluation.gradients[rows],
            _share(evaluation.attack, start, stop, len(positions)),
            _share(defended.cost, start, stop, len(positions)),
        )


def _share(cost: Cost, start: int, stop: int, total: int) -> Cost:
    """Return the share of rows ``start`` to ``stop`` of a batch's cost; the shares of a batch add up exactly.

    Every share has the peak memory of the whole batch.
    """

    def whole(count: int) -> int:
        return count * stop // total - count * start // total

    return Cost(
        cost.seconds * (stop - start) / total,
        whole(cost.forwards),
        whole(cost.backwards),
        cost.peak_memory_mib,
        whole(cost.text_forwards),
        whole(cost.text_backwards),
    )


def _join(key: str, parts: Sequence[_Part], device: str) -> Iterator[BlockResult]:
    for block in dict.fromkeys(part.block for part in parts):
        own = [part for part in parts if part.block == block]
        gradients = np.concatenate([part.gradients for part in own])
        yield BlockResult(
            cell=key,
            block=block,
            outcomes=Outcomes.concatenate([part.outcomes for part in own]),
            attack=sum((part.attack for part in own), Cost()),
            defense=sum((part.defense for part in own), Cost()),
            device=device,
            zero_gradients=None if np.isnan(gradients).all() else int(np.count_nonzero(gradients == 0.0)),
        )
