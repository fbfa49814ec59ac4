"""Which samples a dataset holds, by the content of each: two copies are the same exactly if their digests are."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from scc_core.cache import cache_folder
from scc_core.datasets.samples import Samples
from scc_core.errors import UserError
from scc_core.locks import exclusive

_FORMAT = "manifest-1"
_THREADS = min(8, os.cpu_count() or 1)
_SECONDS_BEFORE_PROGRESS = 2.0


class ManifestRow(NamedTuple):
    """One sample: its id, its label and the SHA-256 of its content in hexadecimal digits."""

    id: str
    label: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """All samples of a dataset in its fixed order; row ``i`` is sample ``i``."""

    rows: tuple[ManifestRow, ...]

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of all rows: the dataset's version."""
        digest = hashlib.sha256(f"{_FORMAT}\n".encode())
        for row in self.rows:
            digest.update(f"{row.sha256} {row.label} ".encode() + os.fsencode(row.id) + b"\n")
        return digest.hexdigest()


class _Known(NamedTuple):
    """What a cached manifest says of one sample: the state that its files had, and its content's digest."""

    stamp: str
    sha256: str


def read_manifest(samples: Samples, name: str, folder: Path) -> Manifest:
    """Return the manifest of ``samples``, hashing only what changed since the last time.

    The digests are kept below :func:`~scc_core.cache.cache_folder`, each valid while its files keep size and time of
    change. Of several processes one hashes and the others wait for it.

    Args:
        samples: what a reader found.
        name: shown with the progress.
        folder: the dataset's folder; with ``name`` it tells the caches of several copies apart.

    Raises:
        UserError: a file of the dataset is missing or cannot be read.
    """
    cache = _cache_file(name, folder)
    try:
        stamps = _stamps(samples)
        known = _load(cache)
        if not _covers(known, samples.ids, stamps):
            with _waiting(cache):
                known = _hash_changed(samples, stamps, _load(cache), name)
                _save(cache, known)
    except OSError as error:
        raise UserError(
            f"dataset {name}: {error.strerror}: {error.filename}; `sccbench doctor --dataset {name}` checks the files"
        ) from None
    rows = zip(samples.ids, samples.labels.tolist(), strict=True)
    return Manifest(tuple(ManifestRow(id_, label, known[id_].sha256) for id_, label in rows))


def _stamps(samples: Samples) -> list[str]:
    """Return for every sample the sizes (bytes) and times of change (ns) of its files."""
    seen: dict[Path, str] = {}
    for index in range(len(samples)):
        for path in samples.files_of(index):
            if path not in seen:
                status = path.stat()
                seen[path] = f"{status.st_size}:{status.st_mtime_ns}"
    return [" ".join(seen[path] for path in samples.files_of(index)) for index in range(len(samples))]


def _covers(known: Mapping[str, _Known], ids: Iterable[str], stamps: Iterable[str]) -> bool:
    return all(id_ in known and known[id_].stamp == stamp for id_, stamp in zip(ids, stamps, strict=True))


def _hash_changed(samples: Samples, stamps: Sequence[str], known: Mapping[str, _Known], name: str) -> dict[str, _Known]:
    def digest(index: int) -> _Known:
        id_, stamp = samples.ids[index], stamps[index]
        if id_ in known and known[id_].stamp == stamp:
            return known[id_]
        return _Known(stamp, hashlib.sha256(samples.content(index)).hexdigest())

    with ThreadPoolExecutor(_THREADS) as pool:
        results = tqdm(
            pool.map(digest, range(len(samples))),
            desc=f"hashing {name}",
            total=len(samples),
            unit=" images",
            delay=_SECONDS_BEFORE_PROGRESS,
            disable=None,
        )
        return dict(zip(samples.ids, results, strict=True))


def _cache_file(name: str, folder: Path) -> Path:
    key = hashlib.sha256(os.fsencode(f"{name}\0{folder.absolute()}")).hexdigest()
    return cache_folder() / "manifests" / f"{key[:32]}.txt"


def _load(path: Path) -> dict[str, _Known]:
    """Return the cached digests by sample id; whatever is no cache of this format counts as none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    if not lines or lines[0] != f"{_FORMAT} {len(lines) - 1}":
        return {}
    try:
        return {id_: _Known(stamp, sha256) for id_, stamp, sha256 in map(json.loads, lines[1:])}
    except ValueError:
        return {}


def _save(path: Path, known: Mapping[str, _Known]) -> None:
    """Write the cache whole or not at all; a folder that cannot be written costs only the next hashing."""
    lines = [f"{_FORMAT} {len(known)}", *(json.dumps([id_, *entry]) for id_, entry in known.items())]
    try:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
            file.write("\n".join(lines) + "\n")
        Path(file.name).replace(path)
    except OSError as error:
        warnings.warn(f"the digests of a dataset cannot be kept in {path.parent}: {error}", stacklevel=2)


@contextmanager
def _waiting(cache: Path) -> Iterator[None]:
    """Let one process of this machine hash at a time; without a writable folder each hashes for itself."""
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
    except OSError:
        yield
        return
    with exclusive(cache.with_suffix(".lock")):
        yield
