"""What a worker does, without Ray: keep a model on a device and measure shards with it."""

from __future__ import annotations

import gc
import os
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial

import torch

from scc_core.blocks import BLOCK_SIZE, blocks_of_batch, num_blocks
from scc_core.components.code import check_code
from scc_core.components.component import Component
from scc_core.datasets import PreparedDataset, dataset_code, open_dataset
from scc_core.datasets.pixels.disk_cache import open_disk_cache
from scc_core.defenses import Defense
from scc_core.errors import SccBenchError
from scc_core.evaluation.measure import device_name, measure
from scc_core.models import get_model, model_code, model_digest
from scc_core.models.base import VisionLanguageModel, ZeroShotModel
from scc_core.outcomes import BlockResult, Failure, Measurement
from workers.batch_size import FIRST, LARGEST, BatchSize
from workers.report import Report, WorkerInfo
from workers.shard import Shard


class Bench:
    """Holds one model at a time and measures shards with it.

    Args:
        device: ``cpu`` or ``cuda``.
        batch_size: images at a time; None finds the best size for every model. Halved for good when memory runs out.
        threads: CPU threads of this process; None leaves torch's own choice.
        memory_fraction: of the GPU's memory that this process may take.
    """

    def __init__(
        self,
        device: str,
        batch_size: int | None = None,
        threads: int | None = None,
        memory_fraction: float = 1.0,
    ) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self.device = torch.device(device)
        if memory_fraction < 1.0:
            torch.cuda.set_per_process_memory_fraction(memory_fraction)
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self._draining = False
        self._given_size = batch_size
        self._sizes: dict[str, BatchSize] = {}
        self._model: VisionLanguageModel | None = None
        self._classifiers: dict[tuple[str, str, str], ZeroShotModel] = {}
        self._prepared = lru_cache(maxsize=4)(_prepared)

    def info(self) -> WorkerInfo:
        """Return who the worker is."""
        return WorkerInfo(self.name, device_name(self.device))

    def drain(self) -> None:
        """Finish the blocks that are being measured, and begin no others."""
        self._draining = True

    def run(self, shard: Shard, batch_size: int | None = None) -> Report:
        """Measure a shard; a component that raises fails its own cells and no others.

        Args:
            shard: what to measure.
            batch_size: images at a time that another worker found for this model on such a device.
        """
        if self._draining:
            return Report(unfinished=shard.blocks, draining=True)
        try:
            return self._measure(shard, self._size(shard.model.name, batch_size))
        except Exception as error:
            failure = Failure.of(error)
            return Report(failures=dict.fromkeys(shard.defenses, failure), draining=self._draining)

    def _measure(self, shard: Shard, size: BatchSize) -> Report:
        report = Report()
        model = self._classifier(shard)
        if shard.threat.attack is not None:
            shard.threat.attack.check_here(self.name, model_digest, model_code)
        for defense in shard.defenses.values():
            defense.check_here(self.name, model_digest, model_code)
        dataset = self._prepared(shard.dataset.name, shard.dataset.preprocessing, model.model.image_size)
        measure_blocks = partial(measure, model, dataset, threat=shard.threat)
        defending, blocks = shard.defenses, shard.blocks
        while blocks and defending and not self._draining:
            images = min(size.size, shard.max_batch_size or size.size)
            now = blocks[: blocks_of_batch(images)]
            start = time.perf_counter()
            then = blocks[len(now) :]
            part = _unless_out_of_memory(partial(measure_blocks, next_blocks=then), now, defending, images)
            if part is None:
                self._free_memory()
                size.out_of_memory(images)
                continue
            seconds = time.perf_counter() - start
            part.results = [replace(result, worker=self.name) for result in part.results]
            if images == size.size and num_blocks(images) <= len(now) and not part.failures:
                threat = shard.threat
                # What decides how long an image takes.
                profile = (shard.dataset, shard.precision, threat.attack, threat.adaptive, (*shard.defenses.values(),))
                size.record(profile, _passes(part.results) / seconds)
            blocks = then
            defending = {key: value for key, value in defending.items() if key not in part.failures}
            report.add(part, seconds)
        report.unfinished = blocks if defending else ()
        report.draining, report.batch_size, report.growing = self._draining, size.size, size.growing
        return report

    def _size(self, model: str, known: int | None) -> BatchSize:
        if model not in self._sizes:
            fixed = self._given_size or known
            kind = self.device.type
            first, largest = FIRST.get(kind, BLOCK_SIZE), LARGEST.get(kind, BLOCK_SIZE)
            self._sizes[model] = BatchSize(fixed, fixed) if fixed else BatchSize(first, largest)
        return self._sizes[model]

    def _classifier(self, shard: Shard) -> ZeroShotModel:
        if self._model is None or self._model.name != shard.model.name:
            self._model, self._classifiers = None, {}
            self._free_memory()
            entry = get_model(shard.model.name)
            digest = entry.digest()
            if digest != shard.model.digest:
                raise SccBenchError(
                    f"the weights of {shard.model.name} on {self.name} have digest {digest[:12]}, "
                    f"but the run was planned for {shard.model.digest[:12]}"
                )
            check_code(f"model {shard.model.name!r}", model_code(shard.model.name), shard.model.code, self.name)
            self._model = entry.load(self.device)
        key = (shard.dataset.name, shard.dataset.version, shard.precision)
        if key not in self._classifiers:
            dataset = open_dataset(shard.dataset.name)
            if dataset.version != shard.dataset.version:
                raise SccBenchError(
                    f"dataset {shard.dataset.name} has version {dataset.version} on {self.name}, "
                    f"but the run was planned for {shard.dataset.version}"
                )
            code = dataset_code(shard.dataset.name, dataset)
            check_code(f"dataset {shard.dataset.name!r}", code, shard.dataset.code, self.name)
            self._classifiers[key] = ZeroShotModel(self._model, dataset.prompts(), shard.precision)
        return self._classifiers[key]

    def _free_memory(self) -> None:
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


def _unless_out_of_memory(
    measure_blocks: partial[Measurement],
    blocks: Sequence[int],
    defending: Mapping[str, Component[Defense]],
    images: int,
) -> Measurement | None:
    """Measure some blocks; None if the memory did not suffice and a smaller batch is left to try."""
    try:
        return measure_blocks(blocks, defenses=defending, batch_size=images)
    except torch.OutOfMemoryError:
        if images == 1:
            raise
        # Memory is freed by the caller: here the exception's frames keep the failed batch's tensors alive.
        return None


def _passes(results: Sequence[BlockResult]) -> int:
    """Return the passes of an image through the tower, a backward as two; images where there was no pass."""
    attacks = {result.block: result.attack for result in results}
    costs = [*attacks.values(), *(result.defense for result in results)]
    passes = sum(cost.work for cost in costs)
    return passes or sum(len(result.outcomes) for result in results)


def _prepared(name: str, preprocessing: str, image_size: int) -> PreparedDataset:
    dataset, disk_cache = open_dataset(name), open_disk_cache()
    return PreparedDataset(dataset, preprocessing, image_size, disk_cache=disk_cache, code=dataset_code(name, dataset))
