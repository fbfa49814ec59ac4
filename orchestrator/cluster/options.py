"""The options of a run: which cluster, workers and devices compute it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Devices(StrEnum):
    """Which devices compute."""

    AUTO = "auto"
    GPU = "gpu"
    CPU = "cpu"
    ALL = "all"


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How a run uses a cluster or this machine; no option changes what is done to an image.

    Attributes:
        address: of a Ray cluster; None starts a local one.
        num_workers: workers at most; None takes what the cluster has slots for, now and later.
        batch_size: images at a time; None finds the best size for every model and device.
        devices: ``auto`` takes GPUs, or CPU cores where there are none; ``all`` also takes nodes without GPUs.
        gpus_per_worker: a whole number of GPUs, or a fraction that puts several workers on one.
        hang_seconds: a worker that is silent on a shard for less never counts as hung; None takes the default.
    """

    address: str | None = None
    num_workers: int | None = None
    batch_size: int | None = None
    devices: Devices = Devices.AUTO
    gpus_per_worker: float = 1.0
    hang_seconds: float | None = None
