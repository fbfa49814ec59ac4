"""What a worker does, without Ray: keep a model on a device and measure shards with it."""

from __future__ import annotations

import gc
import os
import socket
from functools import lru_cache

import torch

from scc_core.attacks import Attack, attacks
from scc_core.datasets import PreparedDataset, open_dataset
from scc_core.datasets.image_store import open_store
from scc_core.defenses import Defense, defenses
from scc_core.errors import SccBenchError
from scc_core.evaluation import Adaptive
from scc_core.measurement import Failure, Measurement, measure
from scc_core.models import get_model
from scc_core.models.base import VisionLanguageModel, ZeroShotModel
from scc_core.parameters import build
from workers.shard import AdaptiveRequest, ComponentRequest, Shard

DEFAULT_BATCH_SIZES = {"cpu": 50, "cuda": 256}


class Bench:
    """Holds one model at a time and measures shards with it.

    Args:
        device: ``cpu`` or ``cuda``.
        batch_size: images at a time; None takes the device's default. Halved for good when memory runs out.
        threads: CPU threads of this process; None leaves torch's own choice.
    """

    def __init__(self, device: str, batch_size: int | None = None, threads: int | None = None) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self.device = torch.device(device)
        self.batch_size = batch_size or DEFAULT_BATCH_SIZES.get(self.device.type, 50)
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self._model: VisionLanguageModel | None = None
        self._classifiers: dict[tuple[str, str, str], ZeroShotModel] = {}
        self._dataset = lru_cache(maxsize=4)(_open_prepared)

    def run(self, shard: Shard) -> Measurement:
        """Measure a shard; a component that fails fails its cells and nothing else."""
        try:
            return self._measure(shard)
        except Exception as error:
            failure = Failure.of(error)
            return Measurement(failures=dict.fromkeys(shard.defenses, failure))

    def _measure(self, shard: Shard) -> Measurement:
        model = self._classifier(shard)
        dataset = self._dataset(shard.dataset, shard.preprocessing, model.model.image_size)
        attack = None if shard.attack is None else build_attack(shard.attack)
        while True:
            try:
                return measure(
                    model,
                    dataset,
                    shard.blocks,
                    attack=attack,
                    epsilon=shard.epsilon,
                    defenses={key: build_defense(request) for key, request in shard.defenses.items()},
                    seed=shard.seed,
                    batch_size=min(self.batch_size, shard.max_batch_size or self.batch_size),
                    worker=self.name,
                    adaptive=_adaptive(shard.adaptive),
                )
            except torch.OutOfMemoryError:
                if self.batch_size == 1:
                    raise
                self.batch_size //= 2
            # Outside the except clause: the exception's frames keep the failed batch's tensors alive.
            self._free_memory()

    def _classifier(self, shard: Shard) -> ZeroShotModel:
        if self._model is None or self._model.name != shard.model:
            self._model, self._classifiers = None, {}
            self._free_memory()
            self._model = self._load(shard)
        key = (shard.dataset, shard.dataset_version, shard.precision)
        if key not in self._classifiers:
            dataset = open_dataset(shard.dataset)
            if dataset.version != shard.dataset_version:
                raise SccBenchError(
                    f"dataset {shard.dataset} has version {dataset.version} on {self.name}, "
                    f"but the run was planned for {shard.dataset_version}"
                )
            self._classifiers[key] = ZeroShotModel(self._model, dataset.prompts(), shard.precision)
        return self._classifiers[key]

    def _load(self, shard: Shard) -> VisionLanguageModel:
        entry = get_model(shard.model)
        digest = entry.digest()
        if digest != shard.model_digest:
            raise SccBenchError(
                f"the weights of {shard.model} on {self.name} have digest {digest[:12]}, "
                f"but the run was planned for {shard.model_digest[:12]}"
            )
        return entry.load(self.device)

    def _free_memory(self) -> None:
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


def build_attack(request: ComponentRequest) -> Attack:
    """Build an attack from its name and parameters."""
    return build("attack", request.name, attacks.get(request.name), request.parameters)


def build_defense(request: ComponentRequest) -> Defense:
    """Build a defense from its name and parameters."""
    return build("defense", request.name, defenses.get(request.name), request.parameters)


def _adaptive(request: AdaptiveRequest | None) -> Adaptive | None:
    return None if request is None else Adaptive(request.gradients, request.eot_draws)


def _open_prepared(name: str, preprocessing: str, image_size: int) -> PreparedDataset:
    return PreparedDataset(open_dataset(name), preprocessing, image_size, store=open_store())
