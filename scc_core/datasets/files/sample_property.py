"""A property of every sample, such as its digest: computed once, and kept while the sample's files do not change."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from scc_core.datasets.files.samples import Samples
from scc_core.datasets.files.stamps import stamp
from scc_core.errors import UserError
from scc_core.machine.file_lock import file_lock
from scc_core.machine.folders import cache_folder, keep

_THREADS = min(8, os.cpu_count() or 1)
_SECONDS_BEFORE_PROGRESS = 2.0


class _Entry(NamedTuple):
    """A value, and the stamps that the sample's files had when it was computed."""

    stamps: str
    value: str


@dataclass(frozen=True)
class SampleProperty:
    """Something that is computed from every sample of a dataset.

    Attributes:
        folder: where the values are kept, below :func:`~scc_core.machine.folders.cache_folder`.
        version: changes whenever the computed values could change.
        doing: what the progress says.
        compute: makes the value of samples and an index; it runs in several threads.
    """

    folder: str
    version: str
    doing: str
    compute: Callable[[Samples, int], str]

    def of(self, samples: Samples, name: str, folder: Path) -> dict[str, str]:
        """Return the value of every sample by the sample's id; compute only what changed since the last time.

        A value holds while the sample's files keep their stamps. Of several processes one computes and the others wait
        for it.

        Args:
            samples: what a reader found.
            name: shown with the progress.
            folder: the dataset's folder; with ``name`` it tells the values of several copies apart.

        Raises:
            UserError: a file of the dataset is missing, cannot be read, or changes while it is read.
        """
        cache = self._cache(name, folder)
        try:
            stamps = _stamps(samples)
            known = self._load(cache)
            if not all(_holds(known, *sample) for sample in zip(samples.ids, stamps, strict=True)):
                known = self._update(cache, samples, stamps, name)
        except OSError as error:
            reason = f"{error.strerror or error}: {error.filename}"
            raise UserError(f"dataset {name}: {reason}; `sccbench doctor --dataset {name}` checks the files") from None
        return {id_: known[id_].value for id_ in samples.ids}

    def forget(self, id_: str, name: str, folder: Path) -> None:
        """Compute the value of a sample anew the next time, since it does not hold although the stamps may say so."""
        cache = self._cache(name, folder)
        if cache.exists():
            with suppress(OSError), file_lock(cache.with_suffix(".lock")):
                known = self._load(cache)
                if known.pop(id_, None):
                    self._keep(cache, known)

    def _cache(self, name: str, folder: Path) -> Path:
        key = hashlib.sha256(os.fsencode(f"{name}\0{folder.absolute()}")).hexdigest()
        return cache_folder() / self.folder / f"{key[:32]}.txt"

    def _update(self, cache: Path, samples: Samples, stamps: Sequence[str], name: str) -> dict[str, _Entry]:
        """Compute and keep the values that no other process has computed since they were read."""
        with ExitStack() as held:
            with suppress(OSError):
                cache.parent.mkdir(parents=True, exist_ok=True)
            # Where the folder cannot be made, each process computes for itself.
            if cache.parent.is_dir():
                held.enter_context(file_lock(cache.with_suffix(".lock")))
            known = self._load(cache)

            def entry(index: int) -> _Entry:
                id_, before = samples.ids[index], stamps[index]
                if _holds(known, id_, before):
                    return known[id_]
                value = self.compute(samples, index)
                if _stamp(samples, index, stamp) != before:
                    raise UserError(f"dataset {name}: {id_} changes while it is read")
                return _Entry(before, value)

            with ThreadPoolExecutor(_THREADS) as pool:
                entries = tqdm(
                    pool.map(entry, range(len(samples))),
                    desc=f"{self.doing} {name}",
                    total=len(samples),
                    unit=" images",
                    delay=_SECONDS_BEFORE_PROGRESS,
                    disable=None,
                )
                updated = dict(zip(samples.ids, entries, strict=True))
            self._keep(cache, updated)
        return updated

    def _keep(self, cache: Path, entries: Mapping[str, _Entry]) -> None:
        lines = [f"{self.version} {len(entries)}", *(json.dumps([id_, *entry]) for id_, entry in entries.items())]
        keep(cache, "\n".join(lines) + "\n")

    def _load(self, cache: Path) -> dict[str, _Entry]:
        """Return the kept values by sample id; none if the file is missing, damaged or of another version."""
        with suppress(OSError, ValueError):
            first, *lines = cache.read_text(encoding="utf-8").splitlines()
            if first == f"{self.version} {len(lines)}":
                return {id_: _Entry(before, value) for id_, before, value in map(json.loads, lines)}
        return {}


def _stamps(samples: Samples) -> list[str]:
    """Return the stamps of every sample's files; each file is asked once."""
    stamp_once = lru_cache(maxsize=None)(stamp)
    return [_stamp(samples, index, stamp_once) for index in range(len(samples))]


def _stamp(samples: Samples, index: int, stamp_of: Callable[[str | Path], str]) -> str:
    return " ".join([stamp_of(path) for path in samples.files_of(index)])


def _holds(known: Mapping[str, _Entry], id_: str, stamps: str) -> bool:
    return id_ in known and known[id_].stamps == stamps
