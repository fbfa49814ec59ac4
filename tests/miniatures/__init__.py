"""Miniatures of published datasets, each written in its real format on disk.

Every module writes one format: ``write(data) -> Expected`` fills a data folder and returns what opening it must give.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.miniatures import cifar
from tests.miniatures.images import Expected

MINIATURES: Mapping[str, Callable[[Path], Expected]] = {
    "cifar10": cifar.write_cifar10,
}
"""Writers by the name of the dataset."""
