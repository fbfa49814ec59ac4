"""How a run uses the machine."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Devices(StrEnum):
    """What computes."""

    AUTO = "auto"
    GPU = "gpu"
    CPU = "cpu"
    ALL = "all"


@dataclass(frozen=True)
class RunOptions:
    """How a run uses the machine; none of it changes a result.

    Attributes:
        address: of a Ray cluster; None starts a local one.
        num_workers: actors at most; None takes what the cluster has room for, now and later.
        batch_size: images at a time; None finds the best size for every model and device.
        devices: ``auto`` takes GPUs, or CPU cores where there are none; ``all`` takes nodes without GPUs, too.
        gpus_per_worker: GPUs of an actor: a whole number, or a fraction to put several on one.
        hang_seconds: a worker that is silent on a shard for less never counts as hung; None takes the default.
    """

    address: str | None = None
    num_workers: int | None = None
    batch_size: int | None = None
    devices: Devices = Devices.AUTO
    gpus_per_worker: float = 1.0
    hang_seconds: float | None = None
