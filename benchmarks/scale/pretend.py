"""Workers that answer a shard with random outcomes at once, or after a pause for every block; they import no torch."""

from __future__ import annotations

import os
import platform
import socket
import time
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np
import ray

from orchestrator.cluster.executor import RayExecutor
from scc_core.blocks import BLOCK_SIZE
from scc_core.cost import Cost
from scc_core.environment import Environment
from scc_core.identity import PROTOCOL_VERSION
from scc_core.machine.code import code_digest, distribution_version
from scc_core.outcomes import BlockResult, Outcomes
from workers.actor import WorkerResources
from workers.report import Place, Report, WorkerInfo
from workers.shard import Shard

_CLASSES = 10
_DIFFERENT = 97
"""Different answers of a worker; drawing new ones would cost more than everything else that it does."""
_COST = Cost(0.01, 500, 500)


@dataclass(frozen=True)
class PretendResources:
    """What a pretend worker is told: the seconds that a block takes it."""

    pause: float = 0.0


class PretendWorker:
    """Stands for a worker with a device; every array of its answers is one of its own, as in real answers."""

    def __init__(self, resources: PretendResources) -> None:
        self._pause = resources.pause
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._environment = Environment(
            code_digest(), distribution_version(), PROTOCOL_VERSION, platform.python_version()
        )
        rng = np.random.default_rng(os.getpid())
        self._answers = cycle([_random_outcomes(rng) for _ in range(_DIFFERENT)])

    def placed(self) -> Place:
        """Return when the process has started."""
        return Place(self._name, self._environment.version, self._environment.code)

    def ready(self) -> WorkerInfo:
        """Be ready at once."""
        return WorkerInfo(self._name, "pretend", self._environment)

    def run(self, shard: Shard) -> Report:
        """Answer a shard."""
        results = [self._block(cell, block) for block in shard.blocks for cell in shard.defenses]
        seconds = self._pause * len(results)
        time.sleep(seconds)
        return Report(results, seconds=seconds)

    def _block(self, cell: str, block: int) -> BlockResult:
        answer = next(self._answers)
        outcomes = Outcomes(
            sample_ids=np.arange(block * BLOCK_SIZE, (block + 1) * BLOCK_SIZE, dtype=np.int64),
            labels=answer.labels.copy(),
            predictions=answer.predictions.copy(),
            margins=answer.margins.copy(),
            confidences=answer.confidences.copy(),
        )
        return BlockResult(
            *(cell, block, outcomes, _COST, _COST, "pretend", self._name),
            zero_gradients=0,
            environment=self._environment,
        )


def _random_outcomes(rng: np.random.Generator) -> Outcomes:
    labels = rng.integers(0, _CLASSES, BLOCK_SIZE, np.int32)
    return Outcomes(
        sample_ids=np.arange(BLOCK_SIZE, dtype=np.int64),
        labels=labels,
        predictions=np.where(rng.random(BLOCK_SIZE) < 0.5, labels, (labels + 1) % _CLASSES).astype(np.int32),
        margins=rng.standard_normal(BLOCK_SIZE, np.float32),
        confidences=rng.random(BLOCK_SIZE, np.float32),
    )


class PretendExecutor(RayExecutor):
    """Hands out pretend workers that were started before, so that their start is not part of what is measured.

    Args:
        count: how many.
        pause: seconds that a block takes.
    """

    def __init__(self, count: int, pause: float) -> None:
        self._waiting: list[Any] = [_ACTOR.remote(PretendResources(pause)) for _ in range(count)]
        ray.get([worker.placed.remote() for worker in self._waiting])

    def start_worker(self, resources: WorkerResources) -> Any:  # noqa: ARG002 - they need nothing
        """Give one of them."""
        return self._waiting.pop()


# It takes nothing of the machine in Ray's eyes.
_ACTOR: Any = ray.remote(num_cpus=0, max_restarts=0, max_task_retries=0)(PretendWorker)
