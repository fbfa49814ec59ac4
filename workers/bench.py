"""What a worker does, without Ray: keep a model on a device and measure shards with it."""

from __future__ import annotations

import gc
import os
import socket
import time
from dataclasses import replace

import torch

from scc_core.components.code import check_code
from scc_core.environment import Environment, environment_of
from scc_core.errors import DatasetError, SccBenchError
from scc_core.evaluation.measure import device_name, fixed_batch_size, measure
from scc_core.identity import DatasetSpec
from scc_core.machine.arithmetic import fixed_arithmetic
from scc_core.models import get_model, model_code, model_digest
from scc_core.models.base import VisionLanguageModel, ZeroShotModel
from scc_core.outcomes import Failure
from workers.datasets import PlannedDatasets
from workers.report import Report, WorkerInfo
from workers.shard import Shard


class Bench:
    """Holds one model at a time and measures shards with it.

    Args:
        device: ``cpu`` or ``cuda``.
        batch_size: images that are computed together; None takes :func:`fixed_batch_size`. Halved for good for a model
            whose images do not fit the memory.
        threads: CPU threads of this process, which decide how a CPU rounds; None leaves torch's own choice.
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
        self._batch_size = batch_size
        self._batch_sizes: dict[str, int] = {}
        self._model: VisionLanguageModel | None = None
        self._classifiers: dict[tuple[DatasetSpec, str], ZeroShotModel] = {}
        self._datasets = PlannedDatasets(self.name)

    def info(self) -> WorkerInfo:
        """Return who the worker is."""
        return WorkerInfo(self.name, device_name(self.device), self._environment(self._batch_size or 0))

    def drain(self) -> None:
        """Finish the blocks that are being measured, and begin no others."""
        self._draining = True

    def run(self, shard: Shard) -> Report:
        """Measure a shard; a component that raises fails its own cells and no others."""
        if self._draining:
            return Report(unfinished=shard.blocks, draining=True)
        try:
            return self._measure(shard)
        except Exception as error:
            failure = Failure.of(error)
            if isinstance(error, DatasetError):
                # Files may differ from node to node.
                failure = replace(failure, error=f"{failure.error} (on {self.name})")
            return Report(failures=dict.fromkeys(shard.defenses, failure), draining=self._draining)

    def _measure(self, shard: Shard) -> Report:
        report = Report()
        model = self._classifier(shard)
        if shard.threat.attack is not None:
            shard.threat.attack.check_here(self.name, model_digest, model_code)
        for defense in shard.defenses.values():
            defense.check_here(self.name, model_digest, model_code)
        dataset = self._datasets.prepared(shard.dataset, model.model.image_size)
        defending, blocks = shard.defenses, shard.blocks
        while blocks and defending and not self._draining:
            images = self._images_at_a_time(model.model, shard.max_batch_size)
            start = time.perf_counter()
            try:
                part = measure(
                    model,
                    dataset,
                    blocks[:1],
                    threat=shard.threat,
                    defenses=defending,
                    batch_size=images,
                    next_blocks=blocks[1:],
                )
            except torch.OutOfMemoryError:
                if images == 1:
                    raise
                part = None
            if part is None:
                # Not in the handler above, where the exception's frames keep the failed batch's tensors alive.
                self._free_memory()
                self._batch_sizes[shard.model.name] = images // 2
                continue
            environment = self._environment(images, shard.precision)
            part.results = [replace(result, worker=self.name, environment=environment) for result in part.results]
            blocks = blocks[1:]
            defending = {key: value for key, value in defending.items() if key not in part.failures}
            report.add(part, time.perf_counter() - start)
        report.unfinished, report.draining = blocks if defending else (), self._draining
        return report

    def _images_at_a_time(self, model: VisionLanguageModel, at_most: int | None) -> int:
        fixed = self._batch_size or fixed_batch_size(self.device, model.image_size)
        # Found too large here before: what follows is measured in another shape, which the results tell.
        fitting = self._batch_sizes.get(model.name, fixed)
        return min(fixed, fitting, at_most or fixed)

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
        key = (shard.dataset, shard.precision)
        if key not in self._classifiers:
            dataset = self._datasets.prepared(shard.dataset, self._model.image_size).dataset
            self._classifiers[key] = ZeroShotModel(self._model, dataset.prompts(), shard.precision)
        return self._classifiers[key]

    def _environment(self, batch_size: int, precision: str = "float32") -> Environment:
        """Return what blocks are computed with, as it is while they are."""
        with fixed_arithmetic(self.device, tf32=precision == "tf32"):
            return environment_of(self.device, batch_size)

    def _free_memory(self) -> None:
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
