"""From blocks of a dataset to block results.

Processors round a product or a convolution by its shape and by a row's place in it, and attacks turn rounding into
other images. So the shape is part of the measurement: a block is computed in batches of a fixed size, in which an image
has the place that its position in the dataset gives it, and no attack or defense makes a batch smaller on the way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from scc_core.blocks import BLOCK_SIZE, block_positions
from scc_core.components.component import Component
from scc_core.cost import Cost
from scc_core.datasets.pixels.dataset import PreparedDataset
from scc_core.defenses.base import Defense
from scc_core.evaluation.evaluate import Evaluation, evaluate
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
        batch_size: images that are computed together, those of a block in turn; see :func:`fixed_batch_size`.
        next_blocks: what the caller will measure after these; the images of the first are read during the last block.

    Raises:
        Exception: whatever the model or the attack raises; a defense's exception only fails its own cell.
    """
    measurement = Measurement()
    active = dict(defenses)

    def fail(key: str, error: Exception) -> None:
        measurement.failures[key] = Failure.of(error)
        del active[key]

    device = model.model.device
    for block, following in zip(blocks, [*blocks[1:], *next_blocks[:1], None], strict=False):
        if not active:
            break
        images = dataset.batch(block_positions(block, len(dataset)), device)
        if following is not None:
            dataset.read_ahead(block_positions(following, len(dataset)), device)
        parts = [
            evaluate(model, batch, threat=threat, defenses=dict(active), on_error=fail)
            for batch in images.split(batch_size)
            if active
        ]
        measurement.results += [_block_result(key, block, parts, device_name(device)) for key in active]
    measurement.results = [result for result in measurement.results if result.cell in active]
    return measurement


_IMAGE_SIDE_ALONE = 112
_SMALL_IMAGES = 10


def fixed_batch_size(device: torch.device, image_size: int) -> int:
    """Return how many images a device computes together: by rule, so that one command repeats itself bit by bit.

    A GPU takes a whole block. A CPU gains nothing by computing several images of a usual size together, and takes one,
    which depends on no other; it takes ten of the small images that demonstration models see.

    Args:
        device: where the model computes.
        image_size: side of the model's square input in pixels.
    """
    if device.type == "cuda":
        return BLOCK_SIZE
    return 1 if image_size >= _IMAGE_SIDE_ALONE else _SMALL_IMAGES


def device_name(device: torch.device) -> str:
    """Return the device's own name, e.g. ``NVIDIA H200``, or ``cpu`` with the number of threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu x {torch.get_num_threads()}" if device.type == "cpu" else str(device)


def _block_result(key: str, block: int, parts: Sequence[Evaluation[str]], device: str) -> BlockResult:
    gradients = np.concatenate([part.gradients for part in parts])
    defended = [part.defended[key] for part in parts]
    return BlockResult(
        cell=key,
        block=block,
        outcomes=Outcomes.concatenate([part.outcomes for part in defended]),
        attack=sum((part.attack for part in parts), Cost()),
        defense=sum((part.cost for part in defended), Cost()),
        device=device,
        zero_gradients=None if np.isnan(gradients).all() else int(np.count_nonzero(gradients == 0.0)),
    )
