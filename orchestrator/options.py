"""How a run uses the machine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RunOptions:
    """How a run uses the machine; none of it changes a result.

    Attributes:
        address: of a Ray cluster; None starts a local one.
        num_workers: actors at most; None takes one per device.
        batch_size: images at a time; None takes the device's default.
    """

    address: str | None = None
    num_workers: int | None = None
    batch_size: int | None = None
