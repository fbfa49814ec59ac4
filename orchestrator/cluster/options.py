"""The options of a run: which cluster, workers and devices compute it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from numbers import Real

from scc_core.components.parameters import whole_number
from scc_core.errors import UserError, unknown_name


class Devices(StrEnum):
    """Which devices compute."""

    AUTO = "auto"
    GPU = "gpu"
    CPU = "cpu"
    ALL = "all"


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How a run uses a cluster or this machine; no option changes a number, but for ``batch_size`` on a GPU.

    Attributes:
        address: of a Ray cluster; None starts a local one.
        num_workers: workers at most; None takes what the cluster has slots for, now and later.
        batch_size: images that a GPU computes together at most, if its memory does not hold a block; fewer round
            otherwise. On a CPU their number is fixed.
        devices: ``auto`` takes GPUs, or CPU cores where there are none; ``all`` also takes nodes without GPUs.
        gpus_per_worker: a whole number of GPUs, or a fraction that puts several workers on one.
        hang_seconds: a worker that is silent on a shard for less never counts as hung; None takes the default.

    Raises:
        UserError: a value of the wrong type or out of range.
    """

    address: str | None = None
    num_workers: int | None = None
    batch_size: int | None = None
    devices: Devices = Devices.AUTO
    gpus_per_worker: float = 1.0
    hang_seconds: float | None = None

    def __post_init__(self) -> None:
        for name in ("num_workers", "batch_size"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, whole_number(name, value, minimum=1))
        try:
            object.__setattr__(self, "devices", Devices(self.devices))
        except ValueError:
            raise unknown_name("devices", str(self.devices), map(str, Devices)) from None
        share = self.gpus_per_worker
        if not isinstance(share, Real) or not 0 < share < math.inf or (share > 1 and share != int(share)):
            raise UserError(f"gpus_per_worker is {share!r}; it is a fraction of one GPU or a whole number of them")
        patience = self.hang_seconds
        if patience is not None and not (isinstance(patience, Real) and patience >= 1):
            raise UserError(f"hang_seconds is {patience!r}, expected a number of seconds, 1 or more")
        if not (self.address is None or isinstance(self.address, str)):
            raise UserError(f"address is {self.address!r}, expected auto, HOST:PORT or ray://HOST:PORT")
