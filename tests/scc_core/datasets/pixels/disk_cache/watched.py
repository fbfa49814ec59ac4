"""A dataset that logs every decoding, can stop one at a known place, and is read by processes of its own."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import resource
import sys
import tracemalloc
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from scc_core.datasets import Dataset, DatasetCard, PreparedDataset
from scc_core.datasets.pixels.disk_cache import CHUNK_SIZE, DiskCache
from scc_core.datasets.pixels.disk_cache.budget import cache_files, locked_ledger

CPU = torch.device("cpu")
SIDE = 16
ROOMY = 2**30
CHUNK_BYTES = 4096 + CHUNK_SIZE * 3 * SIDE**2


class Watched(Dataset):
    """Random images; the index of each that is decoded is appended to a file.

    While ``gate`` is a named pipe in the folder, the first decoding of sample ``gate_at`` waits until it is opened.
    """

    def __init__(self, folder: Path, size: int = 400, gate_at: int | None = None) -> None:
        self.card = DatasetCard("test/watched", "", "classification", "noise", "test", "none", "the tests")
        self.class_names = ("a", "b", "c", "d")
        self.templates = ("{}",)
        self.labels = np.arange(size, dtype=np.int64) % 4
        self.version = "1"
        self._folder = folder
        self._gate_at = gate_at

    def image(self, index):
        with (self._folder / "decoded").open("a", encoding="ascii") as log:
            log.write(f"{index}\n")
        if index == self._gate_at and not (self._folder / "stopped").exists():
            (self._folder / "stopped").touch()
            (self._folder / f"waiting-{os.getpid()}").touch()
            (self._folder / "gate").read_bytes()
        return np.random.default_rng(index).integers(0, 256, (20, 24, 3), dtype=np.uint8)


class Constant(Watched):
    """Images that cost nothing to make and are not logged."""

    def image(self, index):
        return np.full((64, 64, 3), index % 256, np.uint8)


def decodings(folder: Path) -> Counter[int]:
    """How often every sample was decoded, by all processes together."""
    log = folder / "decoded"
    return Counter(map(int, log.read_text(encoding="ascii").split())) if log.exists() else Counter()


def prepared(folder: Path, dataset: Dataset | None = None, max_bytes: int = ROOMY, **options) -> PreparedDataset:
    """The dataset on the disk cache ``folder/cache``."""
    disk_cache = DiskCache(folder / "cache", max_bytes)
    return PreparedDataset(dataset or Watched(folder), "native", SIDE, disk_cache=disk_cache, **options)


def digests(dataset: PreparedDataset, numbers: list[int] | None = None) -> dict[int, str]:
    """SHA-256 of the pixels of every chunk, in the order given."""
    found = {}
    for number in range(-(-len(dataset) // CHUNK_SIZE)) if numbers is None else numbers:
        positions = range(number * CHUNK_SIZE, min((number + 1) * CHUNK_SIZE, len(dataset)))
        found[number] = hashlib.sha256(dataset.batch(positions, CPU).pixels.numpy().tobytes()).hexdigest()
    return found


def read_from(folder: Path, first: int, gate_at: int | None, max_bytes: int, rounds: int) -> None:
    """In a process of its own: read every chunk, beginning with ``first``; any warning is an error.

    Writes the digests of the last round and the largest sum of the cache's files that was seen.
    """
    warnings.simplefilter("error")
    dataset = prepared(folder, Watched(folder, gate_at=gate_at), max_bytes, cache_bytes=2 * CHUNK_BYTES)
    largest = 0
    found: dict[int, str] = {}
    for turn in range(8 * rounds):
        found.update(digests(dataset, [(first + turn) % 8]))
        with locked_ledger(folder / "cache"):
            largest = max(largest, sum(file.num_bytes for file in cache_files(folder / "cache")))
    result = {"digests": sorted(found.items()), "largest": largest}
    (folder / f"result-{os.getpid()}").write_text(json.dumps(result), encoding="ascii")


def measure_memory(folder: Path, size: int) -> None:
    """In a process of its own: read a dataset twice and write the peaks of what that took, in bytes."""
    dataset = PreparedDataset(Constant(folder, size), "native", 64, 2**21, DiskCache(folder / "cache", ROOMY))
    digests(dataset, [0])
    before = _largest_resident_set()
    tracemalloc.start()
    for _ in range(2):
        digests(dataset)
    peaks = {"allocated": tracemalloc.get_traced_memory()[1], "resident": _largest_resident_set() - before}
    (folder / "peaks").write_text(json.dumps(peaks), encoding="ascii")


def _largest_resident_set() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([__name__])


def start(target: Callable[..., None], *arguments: object) -> multiprocessing.process.BaseProcess:
    """Start a process that has everything imported already."""
    process = _context.Process(target=target, args=arguments, daemon=True)
    process.start()
    return process
