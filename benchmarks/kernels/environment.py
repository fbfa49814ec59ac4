"""Where and when something was measured."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

import torch

from scc_core.environment import processor

_PACKAGES = ("torch", "torchvision", "open_clip_torch", "timm", "transformers", "numpy", "pillow", "scc-bench")


@dataclass
class Environment:
    """The machine, the versions and the time of a measurement.

    Attributes:
        device: the device's own name.
        device_type: ``cpu`` or ``cuda``.
        processor: name of the machine's processor.
        cpus: logical processors of the machine.
        threads: threads that torch computes with on a CPU.
        date: start, ISO 8601 in UTC.
        versions: by package, those that are installed; ``cuda`` is what torch was built for.
        float32_matmul: torch's precision of float32 products, ``highest`` being without TF32.
        cudnn_tf32: whether cuDNN's float32 convolutions may use TF32.
        load_average_start: of the last minute before the first row, None where the system has none.
        load_average_end: of the last minute after the last row.
        note: what else a reader must know, such as that the machine was shared.
    """

    device: str
    device_type: str
    processor: str
    cpus: int
    threads: int
    date: str
    versions: dict[str, str]
    float32_matmul: str
    cudnn_tf32: bool
    load_average_start: float | None = field(default_factory=lambda: load_average())
    load_average_end: float | None = None
    note: str = ""


def describe(device: torch.device, note: str = "") -> Environment:
    """Describe this machine with ``device`` now."""
    return Environment(
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
        device_type=device.type,
        processor=processor(),
        cpus=os.cpu_count() or 1,
        threads=torch.get_num_threads(),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=_versions(),
        float32_matmul=torch.get_float32_matmul_precision(),
        cudnn_tf32=torch.backends.cudnn.allow_tf32,
        note=note,
    )


def load_average() -> float | None:
    """Return the load average of the last minute; None where the system has none."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return {**found, "cuda": torch.version.cuda} if torch.version.cuda else found
